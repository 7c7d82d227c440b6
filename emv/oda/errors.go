package oda

import "errors"

// Why a key, a certificate or a signature is refused. Errors of this package wrap one
// of these and name the field.
var (
	ErrNoKey           = errors.New("no such key")
	ErrExpired         = errors.New("expired")
	ErrLength          = errors.New("wrong length")
	ErrModulus         = errors.New("not an RSA modulus")
	ErrExponent        = errors.New("exponent is neither 3 nor 65537")
	ErrChecksum        = errors.New("checksum differs")
	ErrHeader          = errors.New("wrong header")
	ErrTrailer         = errors.New("wrong trailer")
	ErrFormat          = errors.New("wrong format")
	ErrHash            = errors.New("hash differs")
	ErrAlgorithm       = errors.New("algorithm is not supported")
	ErrIssuerID        = errors.New("issuer identifier is not the card number's")
	ErrPANMismatch     = errors.New("card number differs")
	ErrRevoked         = errors.New("certificate is revoked")
	ErrTransactionHash = errors.New("transaction data hash code differs")
)
