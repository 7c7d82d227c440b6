// Package iso8583 is the message codec.
package iso8583
