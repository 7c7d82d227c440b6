package cards

import (
	"crypto/rand"
	"testing"

	"posd/device/sim/card"
)

func TestEveryCardLoads(t *testing.T) {
	for _, name := range Names() {
		p, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if bin := p.PAN.Reveal()[:6]; bin != "627700" {
			t.Errorf("%s: BIN %s is not of the test range", name, bin)
		}
		c, err := card.New(p, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if atr := c.Reset(); len(atr) < 2 {
			t.Errorf("%s: ATR % X", name, atr)
		}
	}
}
