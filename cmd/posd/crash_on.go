//go:build crashpoints

package main

import (
	"os"
	"syscall"

	"posd/emv/payment"
	"posd/emv/payment/batch"
)

// crashPoint kills the process, as kill -9 does, at the point that POSD_CRASH_AT
// names. Only the crash tests build with this tag.
var crashPoint = func(p payment.Point) { crashAt(string(p)) }

// settlePoint does the same within a settlement.
var settlePoint = func(p batch.Point) { crashAt("settle-" + string(p)) }

func crashAt(point string) {
	if point == os.Getenv("POSD_CRASH_AT") {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal ends the process before this line returns
	}
}
