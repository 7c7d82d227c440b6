// Package postgres runs PostgreSQL servers for tests and measurements, from the binaries
// that are on PATH or where Debian puts them, in a folder that is removed at the end.
//
// Three words to know:
//
//   - a [Server] is a process (and its children) of an unprivileged user, which listens on
//     loopback; it ends with Stop, and with the program that started it, however that ends;
//   - [Server.Kill] is the pulled plug: SIGKILL to every process of the server;
//   - a standby is a server that was made of another one ([Standby]) and follows it; with
//     synchronous replication the first one's commits wait for it.
//
// It is no way to run a database in production: trust authentication on loopback. docs/host.md
// says how to do that.
package postgres
