package hostsim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posd/host-sim/acquirer"
	"posd/host-sim/fault"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

const opening = 1000000

func TestLifeOfATerminal(t *testing.T) {
	r := boot(t)
	c := r.dial()
	for _, f := range []iso8583.Function{iso8583.Echo, iso8583.SignOnSingle, iso8583.SignOnDouble, iso8583.SignOnTrackKey, iso8583.Echo} {
		if resp, err := r.term.Manage(c, f); err != nil || resp.Code != "00" || len(resp.Time) != 6 || len(resp.Date) != 4 {
			t.Fatalf("function %v: %+v, %v", f, resp, err)
		}
	}
	m := r.term.Sale(r.rich, 1200)
	r.want(c, m, "00")
	if got := r.available(); got != opening-1200 {
		t.Errorf("available = %d", got)
	}
	r.want(c, m, "00")
	r.want(c, r.term.Reversal(m, "98"), "00")
	r.want(c, r.term.Reversal(m, "98"), "00")
	r.want(c, r.term.Sale(hosttest.NewCard("6277000000000029", "123456"), 1200), "51")
	if got := r.states(); got != "sale 1200 reversed 00, sale 1200 declined 51" {
		t.Errorf("transactions: %s", got)
	}
	if got := r.available(); got != opening {
		t.Errorf("available = %d", got)
	}
	if resp, err := r.term.Manage(c, iso8583.SignOff); err != nil || resp.Code != "00" {
		t.Errorf("sign-off: %+v, %v", resp, err)
	}
	r.want(c, r.term.Sale(r.rich, 100), "77")
	r.booksBalance()
}

// TestFaults: each fault, seen from the terminal. The money has always moved.
func TestFaults(t *testing.T) {
	echo := func(t *testing.T, r *running, c *hosttest.Conn) {
		t.Helper() // an answer that overtakes nothing shows that nothing came before it
		if resp, err := r.term.Manage(c, iso8583.Echo); err != nil || resp.Code != "00" {
			t.Errorf("echo: %+v, %v", resp, err)
		}
	}
	rows := []struct {
		fault string
		see   func(t *testing.T, r *running, c *hosttest.Conn)
	}{
		{"drop-response:1", echo},
		{"delay-response:1:10m", func(t *testing.T, r *running, c *hosttest.Conn) {
			echo(t, r, c) // overtakes
			go r.stop()   // the drain does not wait ten minutes
			if answer, err := c.Get(); err != nil || len(answer) == 0 {
				t.Errorf("delayed answer: %v", err)
			}
			r.open()
		}},
		{"delay-response:1:1ms", func(t *testing.T, r *running, c *hosttest.Conn) {
			if _, err := c.Get(); err != nil {
				t.Errorf("delayed answer: %v", err)
			}
		}},
		{"duplicate-response:1", func(t *testing.T, r *running, c *hosttest.Conn) {
			first, err := c.Get()
			if err != nil {
				t.Fatal(err)
			}
			if second, err := c.Get(); err != nil || !bytes.Equal(first, second) {
				t.Errorf("second answer differs: %v", err)
			}
			echo(t, r, c)
		}},
		{"garble-response:1", func(t *testing.T, r *running, c *hosttest.Conn) {
			answer, err := c.Get()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := iso8583.CUP().Parse(answer); err == nil {
				t.Error("the answer can be read")
			}
			echo(t, r, c)
		}},
		{"wrong-mac:1", func(t *testing.T, r *running, c *hosttest.Conn) {
			answer, err := c.Get()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := iso8583.CUP().Parse(answer); err != nil {
				t.Errorf("the answer cannot be read: %v", err)
			}
			if _, err := r.term.Open(answer); !errors.Is(err, iso8583.ErrMAC) {
				t.Errorf("MAC: %v, want ErrMAC", err)
			}
		}},
		{"disconnect:1", func(t *testing.T, r *running, c *hosttest.Conn) {
			if _, err := c.Get(); err == nil {
				t.Error("an answer came")
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.fault, func(t *testing.T) {
			f, err := fault.Parse(row.fault)
			if err != nil {
				t.Fatal(err)
			}
			r := boot(t, func(cfg *Config) { cfg.Faults = []fault.Fault{f} })
			c := r.signedOn()
			m := r.term.Sale(r.rich, 1200)
			if err := c.Put(r.term.Seal(m)); err != nil {
				t.Fatal(err)
			}
			row.see(t, r, c)
			again := r.dial()
			r.want(again, r.term.Reversal(m, "98"), "00")
			if got := r.states(); got != "sale 1200 reversed 00" {
				t.Errorf("transactions: %s", got)
			}
			if got := r.available(); got != opening {
				t.Errorf("available = %d", got)
			}
			r.booksBalance()
		})
	}
}

func TestFaultAddedWhileRunning(t *testing.T) {
	r := boot(t)
	c := r.signedOn()
	r.want(c, r.term.Sale(r.rich, 100), "00")
	f, err := fault.Parse("disconnect:+1@0400")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddFault(f); err != nil {
		t.Fatal(err)
	}
	m := r.term.Sale(r.rich, 200)
	r.want(c, m, "00")
	if _, err := c.Exchange(r.term.Seal(r.term.Reversal(m, "98"))); err == nil {
		t.Error("the reversal was answered")
	}
	if got := r.states(); got != "sale 100 approved 00, sale 200 reversed 00" {
		t.Errorf("transactions: %s", got)
	}
}

// TestOnRequest: the hook runs after the posting and before the answer.
func TestOnRequest(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	var r *running
	r = boot(t, func(cfg *Config) {
		cfg.OnRequest = func(mti uint16, stan uint32, tid string) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, fmt.Sprintf("%04X %d %s: %s", mti, stan, tid, r.states()))
		}
	})
	c := r.signedOn()
	r.want(c, r.term.Sale(r.rich, 100), "00")
	mu.Lock()
	defer mu.Unlock()
	want := "0800 1 POSD0001: |0200 2 POSD0001: sale 100 approved 00"
	if got := strings.Join(calls, "|"); got != want {
		t.Errorf("calls = %s, want %s", got, want)
	}
}

// TestHostileInput: what comes in must not bring the host down, nor other terminals.
func TestHostileInput(t *testing.T) {
	r := boot(t, func(c *Config) { c.Limits.PerTerminal = 100 })
	good := r.signedOn()
	rows := []struct {
		name string
		send []byte
	}{
		{"an oversized frame", append([]byte{0xFF, 0xFF}, make([]byte, 100)...)},
		{"a frame of nothing", []byte{0, 0}},
		{"garbage in a frame", append([]byte{0, 50}, bytes.Repeat([]byte{0xA5}, 50)...)},
		{"half a frame", []byte{0, 200, 0x60}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := r.dial()
			if _, err := c.Write(row.send); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if answer, err := c.Get(); err == nil {
				t.Errorf("answered with %d bytes", len(answer))
			}
		})
	}
	r.want(good, r.term.Sale(r.rich, 100), "00")
}

func TestStrangers(t *testing.T) {
	r := boot(t)
	other := boot(t) // its own CA
	t.Run("certificate of another CA", func(t *testing.T) {
		id := other.id
		id.CA = r.id.CA
		if c, err := hosttest.Dial(t.Context(), r.Addr().String(), id, nil); err == nil {
			defer c.Close()
			if _, err := r.term.Manage(c, iso8583.Echo); err == nil {
				t.Error("served")
			}
		}
	})
	t.Run("no certificate", func(t *testing.T) {
		if c, err := hosttest.Dial(t.Context(), r.Addr().String(), hosttest.Identity{CA: r.id.CA}, nil); err == nil {
			defer c.Close()
			if _, err := r.term.Manage(c, iso8583.Echo); err == nil {
				t.Error("served")
			}
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte{0, 30, 0x60, 0, 1, 0, 0}) //nolint:errcheck // the read tells
		answer, err := io.ReadAll(c)
		if bytes.Contains(answer, []byte{0x60, 0, 0, 0, 1}) {
			t.Errorf("answered: %X, %v", answer, err)
		}
	})
	t.Run("another terminal's certificate", func(t *testing.T) {
		e, err := r.AddTerminal(t.Context(), "POSD0002", testMID, "SIM00000002", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.signedOn()
		c := r.dialAs(hosttest.Identity{Cert: e.Cert, Key: e.Key, CA: e.CA})
		if resp, err := r.term.Manage(c, iso8583.Echo); err != nil || resp.Code != "97" {
			t.Errorf("echo: %+v, %v", resp, err)
		}
		answer, err := c.Exchange(r.term.Seal(r.term.Sale(r.rich, 100)))
		if err != nil {
			t.Fatal(err)
		}
		if _, m, err := iso8583.CUP().Parse(answer); err != nil || m.(*iso8583.FinancialResponse).Code != "97" {
			t.Errorf("sale: %+v, %v", m, err)
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	r := boot(t, func(cfg *Config) { cfg.Limits = acquirer.Limits{Connections: 1} })
	c := r.signedOn()
	if extra, err := hosttest.Dial(t.Context(), r.Addr().String(), r.id, nil); err == nil {
		extra.Close()
		t.Error("a second connection was taken")
	}
	r.want(c, r.term.Sale(r.rich, 100), "00")
}

func TestIdleConnectionIsClosed(t *testing.T) {
	r := boot(t, func(cfg *Config) { cfg.Limits = acquirer.Limits{Idle: time.Millisecond} })
	if _, err := r.dial().Get(); !errors.Is(err, io.EOF) {
		t.Errorf("idle connection: %v, want EOF", err)
	}
}

// TestDrain: a request that was read is answered, and the answer arrives, although the
// host was told to stop while it was at work.
func TestDrain(t *testing.T) {
	working, release := make(chan struct{}), make(chan struct{})
	r := boot(t, func(cfg *Config) {
		cfg.OnRequest = func(mti uint16, _ uint32, _ string) {
			if mti == 0x0200 {
				close(working)
				<-release
			}
		}
	})
	c, idle := r.signedOn(), r.dial()
	m := r.term.Sale(r.rich, 1200)
	if err := c.Put(r.term.Seal(m)); err != nil {
		t.Fatal(err)
	}
	<-working
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	if _, err := idle.Get(); !errors.Is(err, io.EOF) { // the drain has begun
		t.Errorf("idle connection: %v, want EOF", err)
	}
	idle.Close()
	close(release)
	answer, err := c.Get()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.term.Open(answer); err != nil || got.(*iso8583.FinancialResponse).Code != "00" {
		t.Errorf("answer = %+v, %v", got, err)
	}
	if _, err := c.Get(); !errors.Is(err, io.EOF) {
		t.Errorf("after the answer: %v, want EOF", err)
	}
	c.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestRestart: everything that matters is on disk.
func TestRestart(t *testing.T) {
	r := boot(t)
	c := r.signedOn()
	m := r.term.Sale(r.rich, 1200)
	first, err := c.Exchange(r.term.Seal(m))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.open()
	c = r.dial() // the same keys, no new sign-on
	second, err := c.Exchange(r.term.Seal(m))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the repeated answer differs (%v)", err)
	}
	r.want(c, r.term.Reversal(m, "98"), "00")
	if got := r.available(); got != opening {
		t.Errorf("available = %d", got)
	}
	seed, _ := ParseSeed("seed.yaml", DefaultSeed)
	if fresh, err := r.Apply(t.Context(), seed); err != nil || len(fresh) != 0 {
		t.Errorf("second seed: %d enrolments, %v", len(fresh), err)
	}
	if got := r.available(); got != opening {
		t.Errorf("available after the second seed = %d", got)
	}
}

// TestNoSecretsOnDisk looks for card numbers (as text, as packed digits, as track), PINs
// and keys in every file of the data folder, and in the log.
func TestNoSecretsOnDisk(t *testing.T) {
	dir := t.TempDir()
	r := boot(t, func(cfg *Config) {
		in := testConfig(t, dir, io.Discard)
		in.DB = filepath.Join(dir, "host.db") // a file, for it is files that are read
		cfg.DB, cfg.HostKeyFile, cfg.CADir = in.DB, in.HostKeyFile, in.CADir
	})
	c := r.signedOn()
	m := r.term.Sale(r.rich, 1200)
	r.want(c, m, "00")
	r.want(c, r.term.Reversal(m, "98"), "00")
	secrets := map[string][]byte{
		"card number":              []byte("6277000000000011"),
		"card number, packed":      {0x62, 0x77, 0, 0, 0, 0, 0, 0x11},
		"other card number":        []byte("6277000000000029"),
		"middle of a card number":  []byte("7700000000001"),
		"terminal master key":      r.term.TMK,
		"issuer master key":        hosttest.IMK,
		"issuer master key as hex": []byte("0123456789ABCDEFFEDCBA98"),
		"PIN":                      []byte("123456"),
	}
	r.stop()
	files := map[string][]byte{"log": []byte(r.log.String())}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for path, content := range files {
		for name, secret := range secrets {
			if bytes.Contains(content, secret) {
				t.Errorf("%s holds the %s", path, name)
			}
		}
	}
	if !bytes.Contains(files[filepath.Join(dir, "host.db")], []byte("627700******0011")) {
		t.Error("the database does not hold the masked number: this test looks at the wrong file")
	}
}

func TestConfigIsChecked(t *testing.T) {
	whole := testConfig(t, t.TempDir(), io.Discard)
	for name, spoil := range map[string]func(*Config){
		"DB":          func(c *Config) { c.DB = "" },
		"HostKeyFile": func(c *Config) { c.HostKeyFile = "" },
		"CADir":       func(c *Config) { c.CADir = "" },
		"Log":         func(c *Config) { c.Log = nil },
		"Now":         func(c *Config) { c.Now = nil },
		"Rand":        func(c *Config) { c.Rand = nil },
		"host number": func(c *Config) { c.Node = 100 },
	} {
		cfg := whole
		spoil(&cfg)
		if h, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
			if err == nil {
				h.Close()
			}
		}
	}
}

// TestWithoutListening: enrolment and reports need no port.
func TestWithoutListening(t *testing.T) {
	cfg := testConfig(t, t.TempDir(), io.Discard)
	cfg.Listen = ""
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.AddMerchant(t.Context(), testMID, "x"); err != nil {
		t.Error(err)
	}
	if err := h.Run(t.Context()); err == nil {
		t.Error("it serves")
	}
}
