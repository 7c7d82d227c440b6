package keys

import (
	"fmt"
	"time"
)

// Policy says when working keys are to be changed, that is, when the terminal is to sign on
// again. It is data: from the configuration or from the host's parameters.
type Policy struct {
	MaxAge  time.Duration // 0: no limit
	MaxUses int64         // payments under the same keys; 0: no limit
}

// Default policy: a day, as a terminal that signs on every morning, and far below what
// 32 bits of MAC and blocks of 8 bytes bear.
const (
	DefaultMaxAge  = 24 * time.Hour
	DefaultMaxUses = 2000
)

// Used counts a payment under the working keys. It writes nothing: the count lives as long
// as the process, and Due says of keys from before a restart that their count is unknown.
func (k *Keys) Used() { k.uses.Add(1) }

// Uses is the count of the working keys, since they came or since the start.
func (k *Keys) Uses() int64 { return k.uses.Load() }

// Due says why the working keys are to be changed, and is empty while they are good. The
// agent asks when it is idle, and signs on. Keys that are due still work: a payment never
// waits for them. Keys whose date is ahead of now are due, for one clock was wrong.
func (k *Keys) Due(now time.Time) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, since := k.cfg.Policy, k.working.Since
	age := now.Sub(since)
	switch {
	case k.master.Since.IsZero():
		return "" // there is nothing that a sign-on could change
	case since.IsZero():
		return "no working keys"
	case p.MaxUses > 0 && !k.fresh:
		return "used before the restart, how often is not known"
	case p.MaxUses > 0 && k.uses.Load() >= p.MaxUses:
		return fmt.Sprintf("used %d times, at most %d", k.uses.Load(), p.MaxUses)
	case p.MaxAge > 0 && age >= p.MaxAge:
		return fmt.Sprintf("%v old, at most %v", age.Round(time.Second), p.MaxAge)
	case p.MaxAge > 0 && age < -time.Minute:
		return "from the future: a clock was wrong"
	}
	return ""
}
