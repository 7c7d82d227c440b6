package simulate

import (
	"posd/device/sim/cards"
	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// onlineTags and completionTags are those of cmd/posd.
var (
	onlineTags = []tlv.Tag{
		0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82,
		0x9F1A, 0x9F03, 0x9F33, 0x9F34, 0x9F35, 0x9F1E, 0x84, 0x9F09, 0x9F41, 0x9F63, 0x9F74,
	}
	completionTags = []tlv.Tag{0x9F26, 0x9F27, 0x9F10, 0x9F36, 0x95, 0x9B}
)

func newKernel() (*kernel.Kernel, error) {
	rid, index, modulus, exponent, sum := cards.TestCA()
	return kernel.New(kernel.Config{
		Data: map[tlv.Tag][]byte{
			tag.TerminalType:                   {0x22},
			tag.TerminalCapabilities:           {0x20, 0x68, 0xC8},
			tag.AdditionalTerminalCapabilities: {0x60, 0x00, 0xF0, 0xA0, 0x01},
			tag.TerminalCountryCode:            {0x01, 0x56},
			tag.TransactionCurrencyCode:        {0x01, 0x56},
			tag.TransactionCurrencyExponent:    {0x02},
			tag.MerchantCategoryCode:           {0x54, 0x11},
			tag.MerchantIdentifier:             []byte(mid),
			tag.TerminalIdentification:         []byte(tid),
			tag.IFDSerialNumber:                []byte("00000001"),
			tag.MerchantNameAndLocation:        []byte("SIMULATED"),
		},
		Applications: []kernel.Application{application(0x01), application(0x02)},
		CAKeys:       []oda.CAKey{{RID: rid, Index: index, Modulus: modulus, Exponent: exponent, SHA1: sum}},
		OnlineTags:   onlineTags, CompletionTags: completionTags, UsePSE: true,
	})
}

func application(last byte) kernel.Application {
	return kernel.Application{
		AID: []byte{0xA0, 0, 0, 0x03, 0x33, 0x01, 0x01, last}, Partial: true, Version: [2]byte{0x00, 0x30},
		TACDefault: action("\xFC\x78\xFC\xF8\xF0"), TACDenial: action("\x00\x10\x00\x00\x00"), TACOnline: action("\xFC\x78\xFC\xF8\xF0"),
		DefaultDDOL: tlv.DOL{0x9F, 0x37, 0x04}, FloorLimitMinor: floorLimit,
	}
}

// action reads an action code of five bytes.
func action(b string) emv.TVR {
	tvr, err := emv.TVRFromBytes([]byte(b))
	if err != nil {
		panic(err) // a constant of this file
	}
	return tvr
}
