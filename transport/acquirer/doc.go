// Package acquirer is the terminal's line to its host: one long-lived TLS 1.3
// connection with client certificate, over which payments, reversals and management
// messages go as package iso8583 writes them.
package acquirer
