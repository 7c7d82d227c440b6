package emv

import "testing"

func TestTrackFields(t *testing.T) {
	tests := []struct {
		name, track           string
		pan, expiry, services string
		chip                  bool
	}{
		{"chip card", "6277000000000017D30122010000012345", "627700******0017", "3012", "201", true},
		{"national chip card", "6277000000000017=3012601", "627700******0017", "3012", "601", true},
		{"stripe only", "6277000000000017D3012101", "627700******0017", "3012", "101", false},
		{"without a service code", "6277000000000017D3012", "627700******0017", "3012", "", false},
		{"cut after the separator", "6277000000000017D301", "627700******0017", "", "", false},
		{"longest", "6277000000000000001D301220112345678901", "627700*********0001", "3012", "201", true},
	}
	for _, row := range tests {
		t.Run(row.name, func(t *testing.T) {
			track, err := ParseTrack2(row.track[:min(len(row.track), maxTrack2)])
			if err != nil {
				t.Fatal(err)
			}
			pan, err := track.PAN()
			if err != nil || pan.Masked() != row.pan {
				t.Errorf("PAN %v, %v, want %s", pan, err, row.pan)
			}
			if track.Expiry() != row.expiry || track.ServiceCode() != row.services || track.HasChip() != row.chip {
				t.Errorf("expiry %q, service code %q, chip %v", track.Expiry(), track.ServiceCode(), track.HasChip())
			}
		})
	}
	if _, err := (Track2{}).PAN(); err == nil {
		t.Error("no track gave a card number")
	}
	if (Track2{}).HasChip() || (Track2{}).Expiry() != "" {
		t.Error("no track has an expiry or a chip")
	}
}

// Numbers of ISO/IEC 7812-1's method: one digit wrong, or two neighbours exchanged.
func TestCheckDigit(t *testing.T) {
	for number, want := range map[string]bool{
		"79927398713": true, "79927398710": false, "79927398731": false,
		"4111111111111111": true, "4111111111111112": false, "378282246310005": true,
	} {
		pan, err := ParsePAN(number)
		if err != nil {
			t.Fatal(err)
		}
		if pan.CheckDigit() != want {
			t.Errorf("%s: %v, want %v", number, pan.CheckDigit(), want)
		}
	}
	if (PAN{}).CheckDigit() {
		t.Error("no number passes")
	}
}
