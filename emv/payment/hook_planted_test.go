//go:build planted

package payment_test

import (
	"testing"

	"posd/emv/payment"
)

// The bugs that a build with the tag can be told to have are found by the stories too,
// and none is there when none was asked for.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, name := range []string{payment.PlantedSendBeforeSave, payment.PlantedDropReversal, payment.PlantedNewSTAN} {
		t.Run(name, func(t *testing.T) {
			payment.Planted(name)
			defer payment.Planted("")
			for i, s := range allStories() {
				if err := s.run(t, newWorld()); err != nil {
					t.Logf("story %d: %v: %v", i, s, err)
					return
				}
			}
			t.Error("no story found the planted bug")
		})
	}
}
