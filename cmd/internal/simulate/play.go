package simulate

import (
	"context"
	"errors"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/transport/acquirer"
)

// build makes link and terminal of a life.
func (l *life) build() (err error) {
	w := l.w
	l.link, err = acquirer.New(acquirer.Config{
		Dial: l.w.network.dial, Dialect: dialect, Terminal: tid, Merchant: mid, Serial: serial, Operator: "01",
		Keys: l.keys, Batch: l.batch, OnSignOn: l.signedOn, Now: w.now, Rand: w.linkRand, Log: w.log,
		AnswerTimeout: answerTimeout, EchoInterval: echoInterval, BackOffMax: 10 * time.Minute,
	})
	if err != nil {
		return err
	}
	slot := &slot{l: l, card: w.cards[0], dice: w.holder}
	pad := pad{l, w.cfg.Scene.tmk, func() string { return w.cards[w.current].Profile().PIN }, w.padDice}
	host, journal := w.cfg.Bug.plant(l.link, l.journal)
	l.slot = slot
	l.terminal, err = payment.New(payment.Config{
		Terminal: tid, Merchant: mid, Journal: checkedJournal{journal, l}, Host: checkedHost{host, l},
		Kernel: w.cfg.Scene.kernel, Slot: slot, PINPad: pad, Keys: l.keys, Display: face{}, Chooser: face{},
		Receipt: l.spool, Archive: settledPayments{l.archive}, Policy: policy(),
		Now: w.now, Rand: w.payRand, Log: w.log, At: l.at,
	})
	if err != nil {
		return err
	}
	return l.buildSettler()
}

func (l *life) batch() uint32 {
	id, err := l.journal.Next(l.ctx)
	if err != nil {
		return 0
	}
	return id.Batch
}

// signedOn is acquirer.Config.OnSignOn, as cmd/posd has it.
func (l *life) signedOn(batch uint32, _ string) {
	err := l.journal.SetBatch(l.ctx, batch)
	l.w.note("link: signed on, batch %d%s", batch, because(err))
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// play lets the terminal live, again and again, until all orders were given; then
// everything comes to rest, and the books are compared.
func (w *world) play() {
	left := w.cfg.Orders
	for left > 0 {
		w.live(func(l *life) {
			for left > 0 {
				l.idle(w.orders.between(10*time.Second, 40*time.Minute))
				left--
				l.order()
			}
		})
	}
	w.calm()
	w.live((*life).settle)
	w.audit()
}

// live is one life, and the time without power after it.
func (w *world) live(f func(l *life)) {
	l, err := w.turnOn()
	if err != nil {
		w.note("boot: %v", err)
		_ = wait(w.ctx, w.power.between(time.Minute, time.Hour))
		return
	}
	ended := l.lives(func() {
		l.boot()
		f(l)
	})
	l.turnOff()
	if !ended {
		w.stats.Cuts++
		_ = wait(w.ctx, w.power.between(10*time.Second, 30*time.Minute))
	}
}

// boot is what cmd/posd's till does first.
func (l *life) boot() {
	owed, err := l.terminal.Recover(l.ctx)
	l.alive()
	l.w.note("boot: %d owed%s", owed, because(err))
}

// idle is the time between two orders: debts are settled as the line comes up.
func (l *life) idle(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	again := l.w.orders.between(20*time.Second, 40*time.Second)
	for {
		var due <-chan time.Time
		if l.owes {
			due = time.After(again)
			again = min(2*again, 10*time.Minute) + l.w.orders.between(0, time.Second)
		}
		select {
		case <-l.ctx.Done():
			l.alive()
		case <-due:
			l.tend()
		case <-timer.C:
			l.paper()
			return
		case <-l.wake:
			l.pause(l.w.orders.between(time.Millisecond, time.Second))
			l.tend()
		}
	}
}

// tend sends what is owed.
func (l *life) tend() {
	left := l.send()
	l.owes = left > 0
	if l.owes {
		l.w.note("till: %d owed", left)
	}
	l.resume()
	l.paper()
}

// paper is somebody who sees to the printer.
func (l *life) paper() {
	if waiting, _ := l.spool.Left(); waiting == 0 {
		return
	}
	l.spool.Release()
	left, err := l.spool.Work(l.ctx)
	l.alive()
	l.w.note("till: %d to print%s", left, because(err))
}

// send tells the host what it is to be told, in the order of the message set, and returns
// how much is left.
func (l *life) send() int {
	for _, send := range []func(context.Context) (int, error){l.terminal.NotifyScripts, l.terminal.SettleDebts, l.terminal.Forward} {
		left, err := send(l.ctx)
		l.alive()
		if err != nil {
			l.w.note("till: %v", err)
		}
		if left > 0 || err != nil {
			return max(left, 1)
		}
	}
	return 0
}

// order is one payment, with what goes wrong around it.
func (l *life) order() {
	w := l.w
	l.mischief()
	if w.orders.hits(0.06) {
		_ = l.settleBatch() // the trace has it
		return
	}
	o := l.choose()
	l.slot.card = w.cards[w.current]
	w.note("order: %v of %v on card %d, original %+v", o.Kind, o.Amount, w.current, o.Original)
	w.stats.Orders++
	res, err := l.terminal.Pay(l.ctx, o)
	l.alive()
	l.owes = true // perhaps: it is tried soon
	w.note("order: %v %s%s %s", res.Outcome, res.Code, because(err), res.Why)
	l.count(res, err)
}

func (l *life) count(res payment.Result, err error) {
	s := &l.w.stats
	switch {
	case err != nil:
		s.Errors++
	case res.Outcome == emv.Approved:
		s.Approved++
		l.w.checkTold(res)
	case res.Outcome == emv.Declined:
		s.Declined++
	default:
		s.Cancelled++
	}
}

// farOff is how wrong the clock may be. Two settlements with more than 18 months between
// them, by that clock, make the archive forget the older batch: its rule, and no loss of
// money, but the books here want to have all batches at the end.
const farOff = 260 * 24 * time.Hour

// mischief plans what strikes at some moment of the next minute or so.
func (l *life) mischief() {
	w := l.w
	sky := w.weather()
	soon := func() time.Duration { return w.clock.between(0, 90*time.Second) }
	if w.clock.hits(sky.powerAny) {
		time.AfterFunc(soon(), func() { l.cut("at any moment") })
	}
	if w.clock.hits(sky.rekey) {
		time.AfterFunc(soon(), func() { w.note("link: new keys wanted"); l.link.SignOn() })
	}
	if w.clock.hits(sky.lineDown) {
		away := w.clock.between(time.Second, 20*time.Minute)
		time.AfterFunc(soon(), func() { w.network.outage(away) })
	}
	if w.clock.hits(sky.full) {
		w.mu.Lock()
		w.full = time.Now().Add(w.clock.between(time.Second, 10*time.Minute))
		w.mu.Unlock()
		w.note("disk: full")
	}
	if w.clock.hits(sky.clock) {
		w.mu.Lock()
		w.skew = w.clock.between(-farOff, farOff)
		w.mu.Unlock()
		w.note("clock: %v off", w.skew)
	}
}

// settle brings everything to rest: no fault strikes any more.
func (l *life) settle() {
	l.idle(15 * time.Minute)
	for range 10 {
		left := l.send()
		l.w.note("rest: %d owed", left)
		if left == 0 {
			break
		}
		l.pause(l.w.orders.between(time.Minute, 2*time.Minute))
	}
	l.resolve()
	l.paper()
	for range 10 {
		err := l.settleBatch()
		if err == nil || errors.Is(err, batch.ErrEmpty) {
			break
		}
		l.pause(l.w.orders.between(time.Minute, 2*time.Minute))
	}
	l.paper()
	l.read()
}

// resolve is an operator who ends what the host refused.
func (l *life) resolve() {
	all, err := l.journal.List(l.ctx, 500, payment.ID{})
	if err != nil {
		l.w.fail("journal: list: %v", err)
	}
	for _, rec := range all {
		if rec.State == payment.Refused {
			if err := l.journal.Resolve(l.ctx, rec.ID, "00", "the host refused it"); err != nil {
				l.w.fail("journal: resolve %v: %v", rec.ID, err)
			}
		}
	}
}
