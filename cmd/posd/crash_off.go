//go:build !crashpoints

package main

import "posd/emv/payment"

// crashPoint is nothing in the program that is shipped; see crash_on.go.
var crashPoint func(payment.Point)
