//go:build !crashpoints

package main

import (
	"posd/emv/payment"
	"posd/emv/payment/batch"
)

// crashPoint and settlePoint are nothing in the program that is shipped; see crash_on.go.
var (
	crashPoint  func(payment.Point)
	settlePoint func(batch.Point)
)
