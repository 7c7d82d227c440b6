package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// What a payment leaves in memory. The buffers that held a card number are wiped by their
// owners, but Go copies: to other stacks, into strings, into what a library keeps. So the
// runtime is told to overwrite whatever it frees and never to move a stack to a smaller
// one (both are in the documentation of package runtime, GODEBUG), and when the till has
// been idle for a moment everything is freed and the stack of the payments is cleared.
var forgetful = []string{"clobberfree=1", "gcshrinkstackoff=1"}

// wipeAfter is how long the till waits after a job: whoever ordered it has its answer then.
const wipeAfter = 200 * time.Millisecond

// beForgetful starts the program anew with the runtime's settings in its environment,
// which is the only way to set them. It returns where they are set, or cannot be.
func beForgetful() error {
	setting := os.Getenv("GODEBUG")
	missing := []string{}
	for _, want := range forgetful {
		if !strings.Contains(setting, want) {
			missing = append(missing, want)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if setting != "" {
		missing = append(missing, setting)
	}
	if err := os.Setenv("GODEBUG", strings.Join(missing, ",")); err != nil {
		return fmt.Errorf("posd: overwrite freed memory: %w", err)
	}
	program, err := os.Executable()
	if err == nil {
		err = syscall.Exec(program, os.Args, os.Environ()) // returns only if it failed
	}
	return fmt.Errorf("posd: overwrite freed memory: %w", err)
}

// wipeMemory frees what nobody needs, which overwrites it, and clears the stack. Twice:
// handles of card numbers go one collection later than their last user.
func wipeMemory() {
	runtime.GC()
	runtime.GC()
	wipeStack()
}

// stackBytes is more than a payment takes of the till's stack.
const stackBytes = 64 << 10

// wipeStack makes the stack as large as a payment needs it and clears it, so that it is
// not copied while a payment runs, and holds nothing of it afterwards.
//
//go:noinline
func wipeStack() {
	var below [stackBytes]byte
	clear(below[:])
	runtime.KeepAlive(&below)
}
