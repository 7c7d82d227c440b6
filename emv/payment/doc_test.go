package payment_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"posd/emv/payment"
)

// The table of kinds in the package's documentation is the one that the code goes by.
func TestDocShowsTheRules(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	unanswered := map[payment.Recovery]string{payment.Reverse: "reverse", payment.Repeat: "repeat", payment.Forget: "forget"}
	card := map[payment.CardUse]string{payment.FullEMV: "full EMV", payment.ReadCard: "read", payment.NoCard: "none"}
	original := map[payment.Reference]string{payment.NoOriginal: "-", payment.InBatch: "in batch", payment.Typed: "typed"}
	role := map[payment.Role]string{payment.Cashier: "cashier", payment.Supervisor: "supervisor"}
	up := map[bool]string{true: "later", false: "at once"}
	for _, k := range payment.Kinds() {
		r := k.Rules()
		line := fmt.Sprintf("//\t%-17s  %-10s  %-8s  %-8s  %-7s  %s\n",
			r.Name, unanswered[r.Unanswered], card[r.Card], original[r.Original], up[r.Forward], role[r.Role])
		if !strings.Contains(string(doc), line) {
			t.Errorf("doc.go has not this line: %s", line)
		}
	}
}
