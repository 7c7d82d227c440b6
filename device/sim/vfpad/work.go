package vfpad

import (
	"strconv"
	"strings"
)

// handlers are the frames that the pad knows, by what they begin with; of two that fit the
// longer one counts. They are called with the lock, and with what follows.
var handlers = map[string]func(p *Pad, rest string){
	"\x0F02":  (*Pad).load,
	"\x0F04":  (*Pad).checkKey,
	"\x0F08":  (*Pad).selectKey,
	"\x0F13":  (*Pad).setBaud,
	"\x02Z1":  (*Pad).idle,
	"\x02Z2":  (*Pad).show,
	"\x02Z3":  (*Pad).showLines,
	"\x0272":  (*Pad).idle,
	"\x0270":  (*Pad).enterWithAmount,
	"\x0276":  (*Pad).testDUKPT,
	"\x0290":  func(p *Pad, rest string) { p.loadInitial(0, rest) },
	"\x0294":  func(p *Pad, rest string) { p.loadInitial(1, rest) },
	"\x0296":  (*Pad).selectSet,
	"\x02Z60": (*Pad).enterAfterPrompt,
	"\x02Z62": (*Pad).enterWithPrompt,
	"\x02Z66": (*Pad).mac,
	"\x02Q4":  (*Pad).switchStripe,
}

// request does what a good frame asks for; one that it does not know a pad ignores. The
// caller has the lock.
func (p *Pad) request(e event) {
	if p.entry != nil {
		if e.start == stx && e.data == "72" { // during entry a pad hears nothing but cancel
			p.settle()
			p.endEntry()
			p.shown = idleText
			p.put(eot)
		}
		return
	}
	p.settle()
	if e.data == p.config.OnSwipeRequest && e.start == stx {
		p.acknowledge()
		p.asked = true
		return
	}
	if e.start == stx && e.data == "72" && p.asked { // waiting for a swipe
		p.asked = false
		p.put(eot)
		return
	}
	whole := string(rune(e.start)) + e.data
	for n := min(4, len(whole)); n >= 3; n-- {
		if handle, known := handlers[whole[:n]]; known {
			p.acknowledge()
			if !strings.HasPrefix(e.data, "Z66") {
				p.forgetMAC()
			}
			handle(p, whole[n:])
			return
		}
	}
}

func (p *Pad) idle(string) {
	p.shown, p.prompted = idleText, false
}

// show is Z2: text, after SUB on a clean display, or a prompt of the pad's own by number.
func (p *Pad) show(text string) {
	p.prompted = true
	if id, fixed := strings.CutPrefix(text, "\x1E"); fixed && len(id) >= 3 {
		p.shown = "PROMPT " + id[:3]
		return
	}
	if rest, clears := strings.CutPrefix(text, "\x1A"); clears {
		p.shown = rest
		return
	}
	p.shown += text
}

// showLines is Z3: the number of lines, SUB, and the lines with FS between.
func (p *Pad) showLines(text string) {
	if text == "" {
		return
	}
	lines := strings.Split(strings.TrimPrefix(text[1:], "\x1A"), "\x1C")
	if n, err := strconv.Atoi(text[:1]); err != nil || n < 1 || n > 7 || n != len(lines) {
		return
	}
	p.prompted = true
	p.shown = strings.Join(lines, "\n")
}
