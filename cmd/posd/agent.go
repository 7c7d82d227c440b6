package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/gpio"
	"posd/emv"
	"posd/emv/binding"
	"posd/emv/kernel"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store/journal"
	"posd/store/keys"
	"posd/store/operators"
	"posd/store/spool"
	"posd/store/tamper"
	"posd/transport/acquirer"
	"posd/transport/control"
	"posd/transport/iso8583"
	"posd/ui/receipt"
	"posd/ui/text"
)

// world is what only main may fetch: clock, randomness, and where logs go.
type world struct {
	now  func() time.Time
	rand io.Reader
	log  *slog.Logger
}

// agent is everything that the configuration asks for, connected.
type agent struct {
	cfg     *Config
	world   world
	lang    text.Lang
	started time.Time

	disk     disks
	keys     *keys.Keys
	parts    *keys.Components // a master key that people are typing; the till's
	staff    *staff
	params   parameters
	latch    *tamper.Latch
	enrolled enrolled
	fresh    bool // not enrolled: see newcomer.go
	spool    *spool.Spool
	link     *acquirer.Link
	settler  *batch.Settler
	batch    atomic.Uint32 // field 60.2 of management messages
	skew     atomic.Int64  // the host's clock less ours, in seconds, at the last sign-on
	busy     atomic.Bool   // the till is at something

	reader  *held[device.Reader]
	pad     *held[device.PINPad]
	printer *held[device.Printer]
	display *held[device.Display]
	lamps   *held[*drivers.Lamps]
	face    *face
	till    *till
	control *control.Server
	housing *gpio.Tamper // nil where the terminal has no switch

	talk     chan struct{} // closed when something may go to the host
	talkOnce sync.Once
}

// newAgent opens the store and builds the rest. Devices are opened by the till, the
// line by the link: neither keeps the agent from starting.
func newAgent(ctx context.Context, cfg *Config, w world) (*agent, error) {
	lang, err := text.ParseLang(cfg.Terminal.Lang.or("zh-CN"))
	if err != nil {
		return nil, err
	}
	a := &agent{cfg: cfg, world: w, lang: lang, started: w.now(), talk: make(chan struct{})}
	a.devices()
	if err := a.openDisks(ctx); err != nil {
		return nil, err
	}
	look := func() error { return a.openSwitch(ctx) }
	records := func() error { return errors.Join(a.openRecords(ctx), a.openParameters(ctx)) }
	for _, build := range []func() error{a.openEnrolment, records, a.openLatch, look, a.build} {
		if err := build(); err != nil {
			return nil, errors.Join(err, a.disk.Close())
		}
	}
	return a, nil
}

// build makes the rest of the agent, or of a newcomer.
func (a *agent) build() error {
	fresh, err := a.isNew()
	if err != nil {
		return err
	}
	steps := []func() error{a.buildLink, a.buildTill, a.buildControl}
	if fresh {
		steps = []func() error{a.buildNewcomer}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// openRecords opens what else is in the store: keys, operators, print queue.
func (a *agent) openRecords(ctx context.Context) error {
	number, err := a.disk.Journal.Batch(ctx)
	if err != nil {
		return err
	}
	a.batch.Store(number)
	c := &complaints{}
	a.keys, err = keys.Open(keys.Config{
		DB: a.disk.DB, Now: a.world.now, Transport: keys.TransportFile(a.cfg.Keys.Transport.Text),
		Policy: keys.Policy{MaxAge: a.cfg.keyAge(c), MaxUses: a.cfg.keyUses(c)},
	})
	if err != nil {
		return err
	}
	list, err := operators.Open(operators.Config{DB: a.disk.DB, Rand: a.world.rand})
	if err != nil {
		return err
	}
	a.staff = &staff{a, list}
	a.spool, err = spool.Open(ctx, spool.Config{
		DB: a.disk.DB, Journal: printable{a.disk.Journal, a}, Documents: a.documents,
		Receipts: &slips{printer: a.printer, merchant: a.merchant(), lang: a.lang},
	})
	return err
}

// printable is the journal as the print queue sees it: a slip may still wait when its batch
// is in the archive.
type printable struct {
	*journal.Journal
	a *agent
}

// Get finds the record wherever it is.
func (p printable) Get(ctx context.Context, id payment.ID) (*payment.Record, error) {
	return p.a.record(ctx, id)
}

func (a *agent) devices() {
	d, set := a.cfg.Devices, drivers.New() // one set: reader and PIN pad may be one box
	a.reader = hold("reader", d.Reader.Text, set.Readers(), a.world.log)
	a.pad = hold("pinpad", d.PINPad.Text, set.PINPads(), a.world.log)
	a.printer = hold("printer", d.Printer.Text, set.Printers(), a.world.log)
	a.display = hold("display", d.Display.or(drivers.None), set.Displays(), a.world.log)
	a.lamps = hold("lamps", d.Lamps.or(drivers.None), set.Lamps(), a.world.log)
	a.face = a.newFace()
}

func (a *agent) buildLink() error {
	c := &complaints{}
	h := a.cfg.Host
	config, err := a.tlsConfig()
	if err != nil {
		return err
	}
	a.link, err = acquirer.New(acquirer.Config{
		Addr: h.Address.Text, TLS: config, Dialect: iso8583.CUP(),
		TPDU:     [5]byte(c.hexValue("", h.TPDU, "6000010000", 5, 5)),
		Terminal: a.cfg.Terminal.ID.Text, Merchant: a.cfg.Terminal.Merchant.Text,
		Serial: a.cfg.Terminal.Serial.Text, Operator: a.cfg.Terminal.Operator.or("01"),
		Keys: a.keys, Batch: a.batch.Load, OnSignOn: a.signedOn,
		OnOrder: func(order iso8583.Order) { a.params.orders.Add(order) }, // the till looks when it is idle
		Binding: a.binding, Idle: func() bool { return !a.busy.Load() }, Currency: a.cfg.currency(),
		Now: a.world.now, Rand: a.world.rand, Log: a.world.log,
		AnswerTimeout: a.cfg.answerTimeout(c), EchoInterval: a.cfg.echoInterval(c), BackOff: a.cfg.backOff(c),
	})
	return err
}

// tlsConfig is TLS 1.3 with the terminal's certificate, trusting the host's CA only.
func (a *agent) tlsConfig() (*tls.Config, error) {
	h := a.cfg.Host
	roots, err := a.identity()
	if err != nil {
		return nil, err
	}
	name := h.ServerName.Text
	if name == "" {
		if name, _, err = net.SplitHostPort(h.Address.Text); err != nil {
			return nil, fmt.Errorf("posd: host.address: %w", err)
		}
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return a.enrolled.certificate() },
		ServerName:           name, Rand: a.world.rand, Time: a.world.now,
	}, nil
}

func (a *agent) buildTill() error {
	c := &complaints{}
	k, err := kernel.New(a.kernelConfig())
	if err != nil {
		return err
	}
	term, err := payment.New(payment.Config{
		Terminal: a.cfg.Terminal.ID.Text, Merchant: a.cfg.Terminal.Merchant.Text,
		Journal: a.disk.Journal, Host: a.link, Kernel: k,
		Slot:    &slot{reader: a.reader, pad: a.pad, eject: a.cfg.ejectTimeout(c)},
		PINPad:  &pad{pad: a.pad, slot: int(a.cfg.padSlot(c))},
		Keys:    a.keys,
		Display: a.face, Chooser: a.face,
		Receipt: a.spool,
		Archive: settledPayments{a.disk.Archive}, Policy: a.policy(), Listed: a.listed,
		Now: a.world.now, Rand: a.world.rand, Log: a.world.log,
		InsertTime: a.cfg.insertTimeout(c), At: crashPoint,
	})
	if err != nil {
		return err
	}
	a.settler, err = batch.New(batch.Config{
		Book: a.disk.Journal, Host: a.link, Payments: term, Slip: totalsSlip{a},
		Now: a.world.now, Log: a.world.log, SignOn: a.signOnAnew, Terms: a.terms, At: settlePoint,
	})
	a.till = &till{
		term: term, face: a.face, log: a.world.log, busy: &a.busy,
		jobs: make(chan job), wake: make(chan struct{}, 1), warm: a.warm, tend: a.tend, settleBatch: a.settleDue,
		forwards: a.forwards, order: a.doOrder,
	}
	return err
}

// binding says in field 59 which device asks.
func (a *agent) binding(pan emv.PAN) (binding.Terminal, error) {
	key, err := a.keys.BindingKey()
	if err != nil {
		return binding.Terminal{}, err
	}
	t := binding.Terminal{
		Kind: binding.POS, Serial: a.cfg.Terminal.Serial.Text, Factor: binding.Factor(pan), Version: shortVersion(),
	}
	t.Proof = binding.Proof(key, t.Serial, t.Factor)
	return t, nil
}

// signOnAnew has the line get new working keys, and waits until it has them.
func (a *agent) signOnAnew(ctx context.Context) error {
	a.link.SignOn()
	return a.link.WaitUp(ctx)
}

// settleDue goes on with a settlement that stopped, and begins one where the journal is
// nearly full: payments end where nothing can be written.
func (a *agent) settleDue(ctx context.Context) error {
	res, err := a.settler.Resume(ctx)
	if err == nil && res.Settlement == nil && a.disk.Journal.Room().Full {
		a.world.log.Warn("the journal is full: settling")
		res, err = a.settler.Settle(ctx, a.cfg.Terminal.Operator.or("01"))
	}
	if res.Settlement != nil && res.Settlement.Phase == batch.Closed {
		a.world.log.Info("settled", "batch", res.Settlement.Batch, "uploaded", res.Settlement.Uploaded)
	}
	return err
}

func (a *agent) buildControl() (err error) {
	a.control, err = control.New(control.Config{Path: a.cfg.Control.Socket.Text, Backend: backend{a}, Log: a.world.log})
	return err
}

// warm opens the devices once, so that what is wrong with one is known before the
// first sale.
func (a *agent) warm(ctx context.Context) {
	_, readerErr := a.reader.get(ctx)
	_, padErr := a.pad.get(ctx)
	_, printerErr := a.printer.get(ctx)
	if err := errors.Join(readerErr, padErr, printerErr); err != nil {
		a.world.log.Warn("not every device is there", "error", err)
	}
	a.face.rest(ctx, a.latch.Tripped())
}

// tend looks after the devices while nothing is going on.
func (a *agent) tend(ctx context.Context) {
	a.reader.tend(ctx)
	a.pad.tend(ctx)
	a.face.rest(ctx, a.latch.Tripped())
	before := a.printer.snapshot()
	a.printer.tend(ctx)
	if now := a.printer.snapshot(); now.State == "loaded" && now.Why == "" {
		if before.State != "loaded" || before.Why != "" {
			a.spool.Release() // somebody has seen to the printer
		}
		a.printQueue(ctx)
	}
}

// printQueue prints what waits, until something fails.
func (a *agent) printQueue(ctx context.Context) {
	if waiting, held := a.spool.Left(); waiting == held {
		return
	}
	if left, err := a.spool.Work(ctx); err != nil {
		a.world.log.Warn("print queue", "left", left, "error", err)
	}
}

// Run runs everything until ctx ends or a part fails, and closes what was opened.
func (a *agent) Run(ctx context.Context) error {
	if a.fresh {
		return a.runNewcomer(ctx)
	}
	a.world.log.Info("started", "version", version(), "terminal", a.cfg.Terminal.ID.Text, "socket", a.cfg.Control.Socket.Text)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.keepEnrolment(ctx) })
	group.Go(func() error { return a.runLink(ctx) })
	group.Go(func() error { return a.watchHousing(ctx) })
	group.Go(func() error { return a.till.Run(ctx) })
	group.Go(func() error { return a.control.Run(ctx) })
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, a.close())
}

func (a *agent) close() error {
	a.reader.close()
	a.pad.close()
	a.printer.close()
	a.display.close()
	a.lamps.close()
	return errors.Join(a.spool.Flush(context.Background()), a.disk.Close())
}

// signedOn is what the link calls after each sign-on: batch and clock are the host's.
func (a *agent) signedOn(batch uint32, hostTime string) {
	if err := a.disk.Journal.SetBatch(context.Background(), batch); err != nil {
		a.world.log.Error("batch of the sign-on", "batch", batch, "error", err)
	}
	a.batch.Store(batch)
	a.skew.Store(skew(hostTime, a.world.now()))
	a.world.log.Info("signed on", "batch", batch)
	a.enrolled.signedOn()
	a.till.linkUp()
}

// skew compares the host's MMDDhhmmss with our clock, in seconds; the year is ours, or
// a neighbour where that is nearer. 0 where the host sent nothing that is a time.
func skew(hostTime string, now time.Time) int64 {
	t, err := time.ParseInLocation("0102150405", hostTime, now.Location())
	if err != nil {
		return 0
	}
	best := int64(1) << 62
	for year := now.Year() - 1; year <= now.Year()+1; year++ {
		d := int64(t.AddDate(year-t.Year(), 0, 0).Sub(now) / time.Second)
		if d*d < best*best || best == 1<<62 {
			best = d
		}
	}
	return best
}

// loadKey puts a master key into key store and PIN pad; the till runs it. Only when
// both have it does the terminal sign on anew.
func (a *agent) loadKey(ctx context.Context, block string) (string, error) {
	if err := a.loadPadKey(ctx, block); err != nil {
		return "", err
	}
	info, err := a.keys.LoadMasterBlock(block)
	if err != nil {
		return "", err
	}
	if !a.mayTalk() {
		a.link.Kick() // it runs already, under the old key
	}
	return info.KCV, nil
}

// loadPadKey puts the key into the PIN pad; a terminal without one has none to put it in.
func (a *agent) loadPadKey(ctx context.Context, block string) error {
	pad, err := a.pad.get(ctx)
	if errors.Is(err, drivers.ErrSkipped) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := pad.LoadKey(ctx, int(a.cfg.padSlot(&complaints{})), block); err != nil {
		return a.pad.failed(fmt.Errorf("posd: load key into the PIN pad: %w", err))
	}
	return nil
}

func (a *agent) merchant() receipt.Merchant {
	return receipt.Merchant{
		Name: a.cfg.Terminal.Name.Text, Hotline: a.cfg.Terminal.Hotline.or("95516"), Testing: a.cfg.testKeys(),
	}
}
