package acquirer

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/payment"
	"posd/transport/iso8583"
)

// Keys of unionpay_vectors.txt, 3: the master key, and what the host sends.
const (
	masterKey  = "0123456789ABCDEFFEDCBA9876543210"
	macKey     = "3333333333333333"
	trackKey   = "44444444444444445555555555555555"
	signOnKeys = "9B3A7B883A100F73B4ABA2BB791C50E7D2B91CC5" +
		"5ADC39F46164960E0000000000000000ADC67D84" +
		"17B9F1B1A1B2D33C00396833D152DA8E6B941819"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func tdes(key string) cipher.Block {
	block, err := keyblock.NewCipher(unhex(key))
	if err != nil {
		panic(err)
	}
	return block
}

var errNoKey = errors.New("keys: TMK: no such key")

// testKeys unwraps working keys under a master key that may not be there yet.
type testKeys struct {
	mu         sync.Mutex
	suite      keyblock.Suite
	master     string
	mac, track cipher.Block
	pin        keyblock.KCV
	uses       int
	why        string        // Due says
	slow       time.Duration // Install takes
}

// Used and Due implement Rotation.
func (k *testKeys) Used() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.uses++
}

func (k *testKeys) Due(time.Time) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.why
}

func (k *testKeys) setSlow(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.slow = d
}

func (k *testKeys) setDue(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.why = why
}

func (k *testKeys) load(master string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.master = master
}

func (k *testKeys) Install(w keyblock.WorkingKeys) error {
	k.mu.Lock()
	slow := k.slow
	k.mu.Unlock()
	<-time.After(slow)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.master == "" {
		return errNoKey
	}
	if w.Suite != k.suite {
		return keyblock.ErrSuite
	}
	var blocks [2]cipher.Block
	for i, c := range []keyblock.Cryptogram{w.MAC, w.Track} {
		if c.IsZero() {
			continue
		}
		key, err := k.suite.Unwrap(unhex(k.master), c)
		if err != nil {
			return err
		}
		if blocks[i], err = k.suite.NewCipher(key); err != nil {
			return err
		}
	}
	k.mac, k.track, k.why = blocks[0], blocks[1], ""
	return nil
}

func (k *testKeys) MACKey() (cipher.Block, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return have(k.mac)
}

func (k *testKeys) TrackKey() (cipher.Block, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return have(k.track)
}

// testPINKey is the check value of the PIN key under which the tests' PINs are entered.
var testPINKey = keyblock.KCV{0x08, 0xD7, 0xB4, 0xFB}

func (k *testKeys) PINKey() (keyblock.Cryptogram, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return keyblock.Cryptogram{KCV: k.pin}, nil
}

func have(block cipher.Block) (cipher.Block, error) {
	if block == nil {
		return nil, errNoKey
	}
	return block, nil
}

// host is the other end. It answers everything well, but for what script says.
type host struct {
	dialect *iso8583.Dialect
	// script sees each request first; true means that it has dealt with it.
	script func(c *hostConn, m iso8583.Message) bool
	// signOn gives field 62 of a sign-on answer and the MAC key from then on; nil gives the
	// vector, cut to the form.
	signOn func(m *iso8583.NetworkRequest) (data []byte, tak cipher.Block)
	// refuse fails a dial; nil lets every one through.
	refuse func(n int) error

	mu    sync.Mutex
	tak   cipher.Block
	dials []time.Time
	got   []iso8583.Message
	work  sync.WaitGroup
}

// hostConn is the host's end of one connection.
type hostConn struct {
	net.Conn
	host   *host
	header iso8583.Header
}

func newHost() *host { return &host{dialect: iso8583.CUP(), tak: tdes(macKey)} }

// key is the MAC key that the host has now.
func (h *host) key() cipher.Block {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tak
}

func (h *host) dial(context.Context) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dials = append(h.dials, time.Now())
	if h.refuse != nil {
		if err := h.refuse(len(h.dials)); err != nil {
			return nil, err
		}
	}
	terminal, own := net.Pipe()
	h.work.Go(func() { h.serve(own) })
	return terminal, nil
}

func (h *host) serve(conn net.Conn) {
	defer conn.Close()
	for {
		frame, err := iso8583.ReadFrame(conn, nil)
		if err != nil {
			return
		}
		header, m, err := h.dialect.Parse(frame)
		if err != nil {
			panic(fmt.Sprintf("host cannot read: %v", err))
		}
		h.mu.Lock()
		h.got = append(h.got, m)
		h.mu.Unlock()
		c := &hostConn{conn, h, header.Answer()}
		if h.script == nil || !h.script(c, m) {
			c.reply(m)
		}
	}
}

// requests returns what came, of one class.
func requests[M iso8583.Message](h *host) []M {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []M
	for _, m := range h.got {
		if m, ok := m.(M); ok {
			out = append(out, m)
		}
	}
	return out
}

func (h *host) functions() string {
	var out []string
	for _, m := range requests[*iso8583.NetworkRequest](h) {
		out = append(out, m.Function.String())
	}
	return strings.Join(out, " ")
}

// reply answers well. A connection that is closed already is the terminal's business.
func (c *hostConn) reply(m iso8583.Message) {
	out := good(m)
	if m, ok := m.(*iso8583.NetworkRequest); ok && isSignOn(m.Function) && c.host.signOn != nil {
		data, tak := c.host.signOn(m)
		out.(*iso8583.NetworkResponse).Data = data
		c.host.mu.Lock()
		c.host.tak = tak
		c.host.mu.Unlock()
	}
	c.send(c.frame(out))
}

func (c *hostConn) send(b []byte) { _, _ = c.Write(b) }

// frame returns an answer with its length and its MAC.
func (c *hostConn) frame(m iso8583.Message) []byte { return c.frameUnder(m, c.host.key()) }

func (c *hostConn) frameUnder(m iso8583.Message, tak cipher.Block) []byte {
	var frame []byte
	var err error
	if _, ok := m.(*iso8583.NetworkResponse); ok {
		frame, err = c.host.dialect.Append(nil, c.header, m)
	} else {
		frame, err = c.host.dialect.Seal(nil, c.header, m, tak)
	}
	if err != nil {
		panic(err)
	}
	out, err := iso8583.AppendFrame(nil, frame)
	if err != nil {
		panic(err)
	}
	return out
}

// good is the answer of a host in a good mood.
func good(m iso8583.Message) iso8583.Message {
	switch m := m.(type) {
	case *iso8583.NetworkRequest:
		out := &iso8583.NetworkResponse{
			Function: m.Function, STAN: m.STAN, Time: "080000", Date: "1123", Code: "00",
			Terminal: m.Terminal, Merchant: m.Merchant, Batch: 7,
		}
		if isSignOn(m.Function) {
			out.Data = unhex(signOnKeys)
			if m.Function == iso8583.SignOnDouble {
				out.Data = out.Data[:40]
			}
		}
		return out
	case *iso8583.FinancialRequest:
		return &iso8583.FinancialResponse{
			Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: m.STAN, Time: "080102", Date: "1123", SettleDate: "1124",
			PANSequence: -1, RRN: "112308010200", AuthCode: "A1B2C3", Code: "00", Terminal: m.Terminal,
			Merchant: m.Merchant, Issuer: "01020000", Acquirer: "48021000", Currency: m.Currency,
			ICC: unhex("910A11223344556677883030"), Private: m.Private,
			Text: "CUP\xBD\xBB\xD2\xD7\xB3\xC9\xB9\xA6            ",
		}
	case *iso8583.ScriptRequest:
		return &iso8583.ScriptResponse{
			Type: m.Type, Amount: m.Amount, STAN: m.STAN, Time: "080104", Date: "1123", RRN: "112308010400",
			Code: "00", Terminal: m.Terminal, Merchant: m.Merchant, Private: m.Private,
		}
	case *iso8583.SettlementRequest:
		out := &iso8583.SettlementResponse{
			STAN: m.STAN, Time: "220000", Date: "1123", SettleDate: "1124", RRN: "112322000000", Code: "00",
			Terminal: m.Terminal, Merchant: m.Merchant, Currency: m.Currency, Batch: m.Batch,
			Domestic: m.Domestic, Foreign: m.Foreign,
		}
		out.Domestic.Verdict, out.Foreign.Verdict = 1, 2
		return out
	case *iso8583.UploadRequest:
		return &iso8583.UploadResponse{
			Function: m.Function, Type: m.Type, STAN: m.STAN, Time: "220001", Date: "1123", RRN: "112322000100",
			Code: "00", Terminal: m.Terminal, Merchant: m.Merchant, Private: m.Private, Group: m.Group, Count: m.Count,
		}
	case *iso8583.ReversalRequest:
		return &iso8583.ReversalResponse{
			Type: m.Type, Amount: m.Amount, STAN: m.STAN, Time: "080103", Date: "1123", RRN: "112308010300",
			Code: "00", Terminal: m.Terminal, Merchant: m.Merchant, Private: m.Private,
		}
	}
	panic("host: not a request")
}

// rig is a link with its host. Its log is kept for the test of secrets.
type rig struct {
	*Link
	host *host
	keys *testKeys
	log  *lockedBuffer
	stop func()
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// seeded is a source of randomness that gives the same bytes each time.
func seeded() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func config(h *host, k *testKeys, log io.Writer) Config {
	return Config{
		Dial: h.dial, Dialect: iso8583.CUP(), Terminal: "00000001", Merchant: "123456789012345",
		Serial: "00000000", Operator: "01", Keys: k, Batch: func() uint32 { return 1 },
		Now: time.Now, Rand: seeded(),
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// start runs a link to h until the test ends or stop is called. change may be nil.
func start(t *testing.T, h *host, change func(c *Config)) *rig {
	t.Helper()
	r := &rig{host: h, keys: &testKeys{suite: keyblock.TDES, master: masterKey, pin: testPINKey}, log: &lockedBuffer{}}
	c := config(h, r.keys, r.log)
	if change != nil {
		change(&c)
	}
	link, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Link = link
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		h.work.Wait()
		r.checkLog(t)
	})
	return r
}

// checkLog: the log of every test has no card number, no track, no PIN block and no key.
func (r *rig) checkLog(t *testing.T) {
	t.Helper()
	log := strings.ToUpper(r.log.String())
	for _, secret := range []string{"6277000000000017", "D3012201", "0102030405060708", macKey, signOnKeys[:16]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %s:\n%s", secret, log)
		}
	}
	if strings.Contains(log, "NO SUCH MOVE") {
		t.Errorf("illegal move:\n%s", log)
	}
}

func (r *rig) up(t *testing.T) {
	t.Helper()
	if err := r.WaitUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sale is a payment with everything that a request can have.
func sale(t *testing.T, stan uint32) payment.AuthRequest {
	t.Helper()
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		t.Fatal(err)
	}
	track, err := emv.ParseTrack2("6277000000000017D30122010000000")
	if err != nil {
		t.Fatal(err)
	}
	return payment.AuthRequest{
		Record: &payment.Record{
			ID: payment.ID{Batch: 1, STAN: stan}, Kind: payment.Sale, Amount: emv.Amount{Minor: 1200, Currency: emv.CNY},
			Terminal: "00000001", Merchant: "123456789012345", PAN: pan, Expiry: "3012", PANSequence: 1,
			EntryMode: "051", Request: unhex("9F360200019505008004E800"), OnlinePIN: true,
		},
		Track2: track, PINBlock: unhex("0102030405060708"), PINKey: testPINKey,
	}
}
