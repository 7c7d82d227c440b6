package kernel

import (
	"context"
	"testing"
)

// BenchmarkSession runs whole recorded sessions in the kernel: selection to the first
// or second GENERATE AC, against a card that costs next to nothing.
func BenchmarkSession(b *testing.B) {
	for _, name := range []string{
		"sda-keys-1408-1120-768", "dda-keys-1408-1408-1152", "dda-keys-1984-1984-1984",
		"cda-keys-1408-1120-768", "online-approved-genac2-tc-cda",
	} {
		b.Run(name, func(b *testing.B) {
			sc := named(b, name)
			cfg := sc.config()
			cfg.replay = sc.replay()
			k, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			card, tx, issuer := sc.card(), sc.transaction(), sc.issuer()
			b.ReportAllocs()
			for b.Loop() {
				card.selected = 0
				if _, err := k.Run(context.Background(), tx, card, nobody{}, issuer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
