package secret

// Finding is a protection that this process does not have.
type Finding struct {
	What string // core, dumpable, lock
	Why  string
}

// String is the finding for a log.
func (f Finding) String() string { return f.What + ": " + f.Why }

// Names of what Protect does.
const (
	Core     = "core"     // no core dump: RLIMIT_CORE is 0
	Dumpable = "dumpable" // no debugger of the same user, no /proc/PID/mem: PR_SET_DUMPABLE is 0
	Lock     = "lock"     // no swap: mlockall
)

// Options say what Protect leaves out.
type Options struct {
	// Debuggable leaves the process open to debuggers, and to itself through /proc/self/mem
	// where it is not root's: tests that look for secrets in memory want that.
	Debuggable bool
	// NoLock leaves memory unlocked.
	NoLock bool
}

// Protect does all that it can, once, at the start of a program, and returns what it could
// not do.
func Protect(o Options) []Finding {
	var found []Finding
	for _, step := range []struct {
		what string
		off  bool
		do   func() error
	}{{Core, false, noCore}, {Dumpable, o.Debuggable, noDebugger}, {Lock, o.NoLock, lockAll}} {
		if step.off {
			continue
		}
		if err := step.do(); err != nil {
			found = append(found, Finding{step.what, err.Error()})
		}
	}
	return found
}

// maxBuffer is the largest Buffer, in bytes.
const maxBuffer = 64 << 10
