package payment_test

import (
	"sync"
	"testing"

	"posd/emv"
	"posd/emv/payment"
)

// scenario is a kind of payment on its way: what was there before, and what is ordered.
type scenario struct {
	name   string
	setup  func(*world)
	before []payment.Order // made while all is well; the last one is the original
	order  payment.Order
	about  bool   // the order is about the last payment of before
	hosts  []mode // how the host behaves on line; nil for every way
	cards  []cardMode
}

func yuan(minor int64) emv.Amount { return emv.Amount{Minor: minor, Currency: emv.CNY} }

func ordered(k payment.Kind, minor int64) payment.Order {
	return payment.Order{Kind: k, Amount: yuan(minor), Operator: "01", Supervisor: "00"}
}

var offlinePolicy = payment.Policy{
	TipPercent: 20,
	Offline:    payment.OfflinePolicy{Allowed: true, Most: 5000},
}

func phone(minor int64) payment.Order {
	o := ordered(payment.OfflineSale, minor)
	o.Original.AuthCode = "654321"
	return o
}

// scenarios are all kinds; a sale in the ways in which it is paid.
func scenarios() []scenario {
	sale, hold := saleOf(1200), ordered(payment.Preauth, 1000)
	chip := []cardMode{agrees, saysNo, pulled}
	offline := func(w *world) { w.policy = offlinePolicy }
	script := func(w *world) { w.bank.scripts = true }
	return []scenario{
		{name: "sale", order: sale, cards: chip},
		{name: "sale with scripts", setup: script, order: sale, cards: chip},
		{name: "sale, off line where need be", setup: offline, order: sale, cards: chip},
		{name: "sale, approved by the card", setup: offline, order: sale, cards: []cardMode{offlineTC}, hosts: []mode{answers}},
		{name: "sale by stripe", setup: func(w *world) {
			w.policy.Stripe, w.policy.Fallback, w.track = true, true, "6277000000000017D3012201"
		}, order: sale, cards: []cardMode{noChip, deadChip}},
		{name: "void", before: []payment.Order{sale}, about: true, order: ordered(payment.Void, 0)},
		{name: "refund", before: []payment.Order{sale}, about: true, order: ordered(payment.Refund, 700)},
		{name: "preauth", order: hold, cards: chip},
		{name: "preauth void", before: []payment.Order{hold}, about: true, order: ordered(payment.PreauthVoid, 0)},
		{name: "completion", before: []payment.Order{hold}, about: true, order: ordered(payment.Completion, 1150)},
		{name: "completion advice", before: []payment.Order{hold}, about: true, order: ordered(payment.CompletionAdvice, 900), hosts: []mode{answers}},
		{name: "completion void", before: []payment.Order{hold, ordered(payment.Completion, 1000)}, about: true, order: ordered(payment.CompletionVoid, 0)},
		{name: "balance", order: ordered(payment.Balance, 0), cards: chip},
		{name: "offline sale", order: phone(900), hosts: []mode{answers}},
		{name: "offline adjustment", before: []payment.Order{phone(900)}, about: true, order: ordered(payment.OfflineAdjust, 800), hosts: []mode{answers}},
		{name: "tip", setup: offline, before: []payment.Order{sale}, about: true, order: ordered(payment.TipAdjust, 1300), hosts: []mode{answers}},
	}
}

// prepare makes the payments that were there before; everything works.
func (s scenario) prepare(t testing.TB, w *world) payment.Order {
	t.Helper()
	w.policy, w.track, w.card, w.crashAt, w.journal.failAt = payment.Policy{}, "", agrees, "", 0
	w.bank.sale, w.bank.reversal, w.bank.scripts = answers, answers, false
	if s.setup != nil {
		s.setup(w)
	}
	order := s.order
	for _, before := range s.before {
		before.Original.ID = order.Original.ID
		res, err, _ := w.pay(t, w.boot(t), before)
		if err != nil || res.Outcome != emv.Approved {
			t.Fatalf("%s: before it: %v: %v %s (%s), %v", s.name, before.Kind, res.Outcome, res.Code, res.Why, err)
		}
		order.Original.ID = res.Record.ID
	}
	if !s.about {
		order.Original.ID = payment.ID{}
	}
	return order
}

// story is one scenario with a power cut, a disk error or a bad line at a given place.
type story struct {
	scenario
	host, later mode // on line; and for reversals, stored payments and notices
	card        cardMode
	crash       payment.Point
	failAt      int // of the writes of the story
	failKept    bool
	failMore    int
}

var laterModes = []mode{answers, swallows, lost, refuses, unsent, declines, forged}

// ways enumerates the behaviours of host and card.
func (s scenario) ways() []story {
	hosts, cards := s.hosts, s.cards
	if hosts == nil {
		hosts = []mode{answers, declines, swallows, unsent, lost, forged, partially}
	}
	if cards == nil {
		cards = []cardMode{agrees}
	}
	var out []story
	for _, host := range hosts {
		for _, later := range laterModes {
			for _, card := range cards {
				out = append(out, story{scenario: s, host: host, later: later, card: card})
			}
		}
	}
	return out
}

var allStories = sync.OnceValue(stories)

// stories enumerates every combination that the model has.
func stories() []story {
	points := append(payment.Points(), payment.ForwardPoints()...)
	var all []story
	for _, s := range scenarios() {
		for _, base := range s.ways() {
			all = append(all, base)
			for _, p := range points {
				cut := base
				cut.crash = p
				all = append(all, cut)
			}
			for fail := 1; fail <= 6; fail++ {
				for more := range 3 {
					bad := base
					bad.failAt, bad.failMore = fail, more
					all = append(all, bad)
					bad.failKept = true
					all = append(all, bad)
				}
			}
		}
	}
	return all
}
