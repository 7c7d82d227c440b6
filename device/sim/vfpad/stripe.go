package vfpad

import "strings"

// Flags of Q4.
const (
	stripeTrack2 = '0'
	stripeOff    = '1'
	stripeAll    = '2'
)

// switchStripe is Q4.
func (p *Pad) switchStripe(flag string) {
	if flag == "0" || flag == "1" || flag == "2" {
		p.stripe = flag[0]
		p.asked = p.asked && p.stripe != stripeOff
	}
}

// Swipe swipes a card with these tracks, without sentinels; empty ones cannot be read. It
// tells whether the pad reported it.
func (p *Pad) Swipe(track1, track2, track3 string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stripe == stripeOff || p.entry != nil || p.config.OnSwipeRequest != "" && !p.asked {
		return false
	}
	p.asked = false
	if p.stripe == stripeTrack2 {
		p.sendFrame(stx, "81."+track2, nil)
		return true
	}
	p.sendFrame(stx, "81."+strings.Join([]string{track1, track2, track3}, "\x1C"), nil)
	return true
}
