package cards

import (
	"crypto/sha1" // the checksum that EMV publishes CA keys with
	"embed"
	"fmt"
	"slices"
	"strings"

	"posd/device/sim/card"
)

//go:embed *.card test-keys.pem
var files embed.FS

// caIndex is tag 8F of every card here, in a range that UnionPay does not use.
const (
	caKey   = "test-ca-1408"
	caIndex = 0xF1
)

var rid = [5]byte{0xA0, 0x00, 0x00, 0x03, 0x33}

// Names returns the cards' names, sorted.
func Names() []string {
	entries, _ := files.ReadDir(".") // of an embedded folder: cannot fail
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".card"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Load reads the card of that name.
func Load(name string) (*card.Profile, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("cards: no card is named %q: %s", name, strings.Join(Names(), ", "))
	}
	text, err := files.ReadFile(name + ".card")
	if err != nil {
		return nil, fmt.Errorf("cards: read %s: %w", name, err)
	}
	return Parse(name+".card", text)
}

// Parse reads a card file from elsewhere, with the keys of the test scheme.
func Parse(name string, text []byte) (*card.Profile, error) {
	keys, err := Keys()
	if err != nil {
		return nil, err
	}
	return card.Parse(name, text, keys)
}

// Keys returns the RSA keys that card files can name.
func Keys() (card.Keys, error) {
	text, err := files.ReadFile("test-keys.pem")
	if err != nil {
		return nil, fmt.Errorf("cards: read keys: %w", err)
	}
	return card.ParseKeys(text)
}

// TestCA returns the public key of the test scheme, as a terminal's configuration
// carries it: RID, index (tag 9F22), modulus, exponent, and the SHA-1 over these four.
// It panics only if the embedded key file is broken, which a test excludes.
func TestCA() (rid [5]byte, index byte, modulus, exponent, checksum []byte) {
	keys, err := Keys()
	if err != nil || keys[caKey] == nil {
		panic(fmt.Sprintf("cards: embedded key %s: %v", caKey, err))
	}
	return publicKey(keys[caKey])
}

func publicKey(k *card.Key) ([5]byte, byte, []byte, []byte, []byte) {
	modulus, exponent := k.Modulus(), k.Exponent()
	sum := sha1.Sum(slices.Concat(rid[:], []byte{caIndex}, modulus, exponent))
	return rid, caIndex, modulus, exponent, sum[:]
}
