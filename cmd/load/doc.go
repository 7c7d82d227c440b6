// Command load measures the host under load, all in one run on one machine: raw TLS 1.3, the
// host's listener with a desk that only echoes, full durable sales on SQLite and on
// PostgreSQL with one and with two hosts, the wait at a steady rate, and the memory of idle
// connections. It prints one table and judges nothing: a figure beside its bar is for people.
//
// Three words to know: a terminal is a mutual-TLS connection with a card of its own, the
// host is the real program as a process of its own (bin/hostsim), and a sale is signed,
// sent, posted, committed, answered, and its MAC checked.
//
// Clients and host share the machine's cores: the figures are of both together. Standards:
// none; the message set is that of package transport/iso8583.
package main
