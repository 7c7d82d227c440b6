package kernel_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// script is a card that knows its lines: the beginning of a command, and the answer.
type script [][2]string

func (s script) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	wire := hex.EncodeToString(cmd.Append(nil))
	for _, line := range s {
		if strings.HasPrefix(wire, strings.ReplaceAll(line[0], " ", "")) {
			answer, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", ""))
			if err != nil {
				return apdu.Response{}, err
			}
			return apdu.ParseResponse(answer)
		}
	}
	return apdu.Response{SW: apdu.FileNotFound}, nil
}

// shopper enters a PIN at a pad that keeps it.
type shopper struct{}

func (shopper) Select(context.Context, []kernel.Candidate) (int, error) { return 0, nil }

func (shopper) EnterPIN(_ context.Context, req kernel.PINRequest) (kernel.PINResult, error) {
	fmt.Printf("PIN for %v %v, online: %v\n", req.Amount, req.Amount.Currency, req.Online)
	return kernel.PINResult{Status: kernel.PINEntered}, nil
}

// bank approves.
type bank struct{}

func (bank) Authorize(_ context.Context, req kernel.OnlineRequest) (kernel.OnlineAnswer, error) {
	fmt.Printf("%v for card %v, PIN block: %v\n", req.Facts.Kind, req.PAN, req.OnlinePIN)
	return kernel.OnlineAnswer{ARC: [2]byte{'0', '0'}}, nil
}

// A sale of 12.00: the card has one application and one record, asks for an online PIN,
// goes to its issuer, who approves, and then gives the certificate.
func Example() {
	card := script{
		// SELECT: the application is there, and called UNIONPAY.
		{"00a40400", "6f16 8408a000000333010101 a50a 5008554e494f4e504159 9000"},
		// GET PROCESSING OPTIONS: cardholder verification (AIP), one record (AFL).
		{"80a8", "8006 1800 08010100 9000"},
		// READ RECORD: card number, dates, what the card wants signed, how to verify.
		{"00b2010c", "7037 5a086277000000000017 5f2403301231 5f340101 " +
			"8c0c 9f0206 9f3704 9505 9a03 8a02 8d07 8a02 9f3704 9505 8e0a 0000000000000000 0200 9000"},
		// GENERATE AC: first an ARQC, then a TC.
		{"80ae80", "8012 80 0042 c0ffee0000000001 07010103a00000 9000"},
		{"80ae40", "8012 40 0042 c0ffee0000000002 07010103900000 9000"},
	}
	k, err := kernel.New(kernel.Config{
		Data: map[tlv.Tag][]byte{
			tag.TerminalCapabilities:           {0xE0, 0xF8, 0xC8},
			tag.AdditionalTerminalCapabilities: {0xF0, 0x00, 0xF0, 0xA0, 0x01},
			tag.TerminalType:                   {0x22},
			tag.TerminalCountryCode:            {0x01, 0x56},
		},
		Applications: []kernel.Application{{
			AID:             []byte{0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01},
			Partial:         true,
			FloorLimitMinor: 0,
			TACOnline:       emv.FloorLimitExceeded,
		}},
		OnlineTags: []tlv.Tag{tag.ApplicationCryptogram, tag.UnpredictableNumber, tag.TVR},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sale := kernel.Transaction{
		Amount: emv.Amount{Minor: 1200, Currency: emv.CNY},
		Time:   time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC),
		UN:     [2][4]byte{{0xA1, 0xB2, 0xC3, 0xD4}, {0x11, 0x22, 0x33, 0x44}}, // from a random source
		Draw:   42,                                                             // from 1 to 99, the same
	}
	result, err := k.Run(context.Background(), sale, card, shopper{}, bank{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v: %s\n", result.Outcome, result.Why)
	fmt.Printf("%s, %v %X\n", result.Facts.Label, result.Facts.Kind, result.Facts.Cryptogram)
	fmt.Println(result.Facts.TVR.Names())
	// Output:
	// PIN for 12.00 CNY, online: true
	// ARQC for card 627700******0017, PIN block: true
	// approved: approved by issuer and card
	// UNIONPAY, TC C0FFEE0000000002
	// offline data authentication not performed, online PIN entered, floor limit exceeded
}
