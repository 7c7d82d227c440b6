package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"posd/device"
	simabecs "posd/device/sim/abecs"
	"posd/device/sim/card"
	"posd/device/sim/cards"
	simccid "posd/device/sim/ccid"
	simescpos "posd/device/sim/escpos"
	simphoenix "posd/device/sim/phoenix"
	simpn532 "posd/device/sim/pn532"
	simvfpad "posd/device/sim/vfpad"
	simvpcd "posd/device/sim/vpcd"
	"posd/ui/text"
)

// simulator is one device, as the command line drives it.
type simulator struct {
	run       func(ctx context.Context, port device.Port) error
	beside    func() (func(ctx context.Context) error, error) // opens what else has to run; nil for nothing
	serve     func(ctx context.Context) error                 // in place of run, of one on the network
	where     string                                          // of one on the network
	insert    func(c *card.Card) error
	remove    func()
	press     func(keys string) error
	show      func() string
	misbehave func(fault, times int, delay time.Duration) // fault counts from 1, 0 is none
}

// simKind is a kind of device.
type simKind struct {
	name       string
	words      text.Key
	slot, keys bool // it takes cards; it has a keypad and a display
	network    bool
	flags      func(t *tool, flags *pflag.FlagSet, o *simOptions)
	faults     []string // in the order of the simulator's constants, from 1
	build      func(s *stage) (simulator, error)
}

var simKinds = []simKind{
	{
		name: "ccid", words: "dev.ccid", slot: true, build: buildCCID,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.StringVar(&o.profile, "profile", "gempc", t.word("dev.ccid.profile"))
		},
		faults: []string{
			simccid.Silent - 1: "silent", simccid.BadLRC - 1: "bad-lrc", simccid.NoEcho - 1: "no-echo", simccid.WrongSeq - 1: "wrong-seq",
			simccid.Late - 1: "late", simccid.TimeRequests - 1: "time-requests", simccid.Extensions - 1: "extensions",
			simccid.PowerUpFails - 1: "power-up-fails", simccid.ShortAnswer - 1: "short-answer",
			simccid.PowerUpGarbled - 1: "power-up-garbled",
		},
	},
	{
		name: "phoenix", words: "dev.phoenix", slot: true, build: buildPhoenix,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.BoolVar(&o.noEcho, "no-echo", false, t.word("cli.flag_no_echo"))
		},
		faults: []string{
			simphoenix.Silent - 1: "silent", simphoenix.Mute - 1: "mute", simphoenix.Garble - 1: "garble", simphoenix.OneByOne - 1: "one-by-one",
			simphoenix.Nulls - 1: "nulls", simphoenix.Late - 1: "late", simphoenix.DiesHalfway - 1: "dies-halfway",
			simphoenix.MuteCold - 1: "mute-cold", simphoenix.MuteAtReset - 1: "mute-at-reset", simphoenix.BadTS - 1: "bad-ts",
			simphoenix.ShortATR - 1: "short-atr", simphoenix.PPSMute - 1: "pps-mute", simphoenix.PPSWrong - 1: "pps-wrong",
			simphoenix.PPSDeclined - 1: "pps-declined",
		},
	},
	{
		name: "pn532", words: "dev.pn532", slot: true, build: buildPN532,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.StringVar(&o.radio, "type", "A", t.word("cli.flag_type"))
		},
		faults: []string{
			simpn532.Silent - 1: "silent", simpn532.NoACK - 1: "no-ack", simpn532.BadDCS - 1: "bad-dcs", simpn532.ShortAnswer - 1: "short-answer",
			simpn532.WrongCode - 1: "wrong-code", simpn532.Previous - 1: "previous", simpn532.ErrorFrame - 1: "error-frame",
			simpn532.Late - 1: "late", simpn532.Status - 1: "status",
		},
	},
	{
		name: "vpcd", words: "dev.vpcd", slot: true, network: true, build: buildVPCD,
		faults: []string{
			simvpcd.Silent - 1: "silent", simvpcd.Short - 1: "short", simvpcd.TooLong - 1: "too-long", simvpcd.Half - 1: "half",
			simvpcd.Late - 1: "late", simvpcd.Hangup - 1: "hangup",
		},
	},
	{
		name: "vfpad", words: "dev.vfpad", keys: true, build: buildVFPad,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.StringVar(&o.kbpk, "kbpk", testKBPK, t.word("cli.flag_kbpk"))
			flags.StringArrayVar(&o.slots, "slot", []string{"0=" + testMasterKey}, t.word("cli.flag_slot"))
		},
		faults: []string{
			simvfpad.Silent - 1: "silent", simvfpad.GarbledOnce - 1: "garbled-once", simvfpad.Garbled - 1: "garbled", simvfpad.NAKs - 1: "naks",
			simvfpad.LateAnswer - 1: "late-answer", simvfpad.LostACK - 1: "lost-ack", simvfpad.Twice - 1: "twice",
		},
	},
	{
		name: "abecs", words: "dev.abecs", slot: true, keys: true, build: buildAbecs,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.BoolVar(&o.antenna, "antenna", false, t.word("cli.flag_antenna"))
			flags.StringArrayVar(&o.slots, "slot", []string{"0=" + testMasterKey}, t.word("cli.flag_slot"))
		},
		faults: []string{
			simabecs.Silent - 1: "silent", simabecs.GarbledOnce - 1: "garbled-once", simabecs.Garbled - 1: "garbled", simabecs.NAKs - 1: "naks",
			simabecs.NoEOT - 1: "no-eot", simabecs.LateAnswer - 1: "late-answer", simabecs.Strays - 1: "strays",
		},
	},
	{
		name: "escpos", words: "dev.escpos", build: buildESCPOS,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.IntVar(&o.columns, "columns", 32, t.word("dev.escpos.columns"))
		},
		faults: append([]string{
			simescpos.Silent - 1: "silent", simescpos.GarbledOnce - 1: "garbled-once", simescpos.Garbled - 1: "garbled",
			simescpos.Lagging - 1: "lagging", simescpos.Unconfirming - 1: "unconfirming",
		}, "paper-out", "paper-low", "cover-open", "power-off"),
	},
	{name: "pole", words: "dev.pole", build: buildPole},
}

// newCard makes a card of a file, or of the cards that come with the program.
func newCard(name string) (*card.Card, error) {
	var p *card.Profile
	var err error
	if strings.HasSuffix(name, ".card") || strings.ContainsRune(name, '/') {
		var words []byte
		if words, err = os.ReadFile(name); err == nil {
			p, err = cards.Parse(filepath.Base(name), words)
		}
	} else {
		p, err = cards.Load(name)
	}
	if err != nil {
		return nil, fmt.Errorf("posctl: sim: card: %w", err)
	}
	return card.New(p, rand.Reader)
}
