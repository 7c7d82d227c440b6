package device

import (
	"context"
	"fmt"

	"posd/emv"
	"posd/emv/keyblock"
)

// What some PIN pads can do besides [PINPad]. A user asks by a type assertion, for the
// interfaces come one by one.

// SealedPIN is an enciphered PIN with what its host needs to open it.
type SealedPIN struct {
	Format int    // ISO 9564-1: 0, a block of 8 bytes under TDES, or 4, 16 bytes under AES
	Block  []byte // 8 or 16 bytes
	KSN    []byte // DUKPT: 10 bytes, or 12 with AES keys; else nil
	Digits int    // number of PIN digits where the pad tells it, else 0
}

// DUKPTRequest is one PIN entry under a key that is used once. ANSI X9.24-3.
type DUKPTRequest struct {
	PAN                  emv.PAN
	KeySet               int    // which initial key; pads count from 0
	MinDigits, MaxDigits int    // 4 to 12
	Prompt               string // as in PINRequest
	Amount               string // "12.00", for pads that word the prompt themselves
	AllowBypass          bool
}

// DUKPTPad is a PIN pad whose keys are derived anew for each PIN.
type DUKPTPad interface {
	// EnterDUKPT has the errors of EnterPIN. device.ErrRefused is also what a pad says that
	// has no initial key, or whose counter has ended.
	EnterDUKPT(ctx context.Context, req DUKPTRequest) (SealedPIN, error)
}

// Format4Pad is a PIN pad with AES master keys: the working key of the request is an AES
// key of 16 bytes under one of them, block by block.
type Format4Pad interface {
	EnterFormat4(ctx context.Context, req PINRequest) (SealedPIN, error)
}

// MACRequest names a key for message authentication codes.
type MACRequest struct {
	Slot int                 // master key slot
	Key  keyblock.Cryptogram // working key under it; the zero value: the master key itself makes the MAC
}

// MACPad is a PIN pad that makes message authentication codes: ISO 9797-1 algorithm 3
// (ANSI X9.19), zeros for padding.
type MACPad interface {
	MAC(ctx context.Context, req MACRequest, message []byte) ([8]byte, error)
}

// Stripe is what was on a magnetic stripe, without sentinels. Tracks that were not read are
// zero or nil.
type Stripe struct {
	Track1 []byte // the user's to wipe
	Track2 emv.Track2
	Track3 []byte // the user's to wipe
}

// StripeReader reads a magnetic stripe.
type StripeReader interface {
	// ReadStripe waits for a swipe. A stripe that cannot be read is ErrRefused.
	ReadStripe(ctx context.Context) (Stripe, error)
}

// Format prints that it is a stripe, whatever the verb.
func (s Stripe) Format(f fmt.State, _ rune) { fmt.Fprint(f, "stripe") }
