package acquirer

import (
	"context"
	"crypto/cipher"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"posd/emv"
	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/transport/iso8583"
)

// Keys is where working keys live. Its methods may be called from several goroutines.
type Keys interface {
	// Install unwraps, checks and stores what a sign-on brought. An error (no master
	// key, a wrong check value) ends the sign-on.
	Install(w keyblock.WorkingKeys) error
	// MACKey is the cipher of the MAC key (TAK), or an error where there is none.
	MACKey() (cipher.Block, error)
	// TrackKey is the cipher of the track key (TDK), or an error where there is none.
	// It is asked only where the form of the sign-on brings one.
	TrackKey() (cipher.Block, error)
	// PINKey is the PIN key's cryptogram as the host sent it, or an error where there is
	// none: its check value tells whether a PIN block is still good.
	PINKey() (keyblock.Cryptogram, error)
}

// Rotation may be implemented by Keys that are to be changed by age and by use.
type Rotation interface {
	// Used counts a message that was sealed with the working keys.
	Used()
	// Due says why the working keys are to be changed at the time now, and is empty while
	// they are good. The link asks when the line has been silent for the echo interval,
	// and then signs on instead of sending an echo: a payment never waits for it.
	Due(now time.Time) string
}

// Config is what a Link is made of.
type Config struct {
	Addr string      // host:port
	TLS  *tls.Config // with the terminal's certificate; TLS 1.3 is enforced
	// Dial replaces Addr and TLS where set: tests pass a net.Pipe.
	Dial func(ctx context.Context) (net.Conn, error)

	Dialect  *iso8583.Dialect
	TPDU     [5]byte // 60 dd dd ss ss; zero is 6000010000
	Terminal string  // field 41, 8 characters
	Merchant string  // field 42, 15 characters
	Serial   string  // serial number of the terminal, 1 to 95 characters, field 62 of the sign-on
	// Certificate is the number of the terminal's certification, 4 characters; empty is 3060.
	Certificate string
	Operator    string // two digits, field 63 of the sign-on

	// SignOn is the form of the sign-on; 0 is SignOnTrackKey: double-length keys and a
	// track key. With that form, SignOnSM4 and SignOnAES field 35 is never sent in clear.
	SignOn iso8583.Function
	Keys   Keys
	Batch  func() uint32 // the terminal's batch, 0 to 999999
	// OnSignOn hears, after the keys are installed and before any request goes out, the
	// batch that the host gave and its clock, MMDDhhmmss ("" where it sent none).
	OnSignOn func(batch uint32, hostTime string)
	// OnOrder hears the order nibble (处理要求) of each answer that was accepted, 0 to 9. It
	// is called in the goroutine that waited for the answer. May be nil.
	OnOrder func(order iso8583.Order)
	// Binding says which device this is, for field 59 of each message about a card. An error
	// keeps the message here. nil: the field is left out.
	Binding func(pan emv.PAN) (binding.Terminal, error)
	// Idle tells that no payment is under way: working keys that are due are changed then,
	// and only then. nil: always.
	Idle func() bool
	// Currency is that of settlements; 0 is CNY.
	Currency emv.Currency

	Now  func() time.Time // business clock, for Status
	Rand io.Reader        // jitter of the back-off
	Log  *slog.Logger

	AnswerTimeout  time.Duration // of a request from its sending; 0 is 60 s
	ConnectTimeout time.Duration // of a connection, of one write, and of a request for the link to come up; 0 is 10 s
	EchoInterval   time.Duration // silence before an echo; 0 is 60 s
	BackOff        time.Duration // the first one; each failure doubles it; 0 is 1 s
	BackOffMax     time.Duration // the longest; 0 is 60 s
}

// defaults fills in what may be left out.
func (c *Config) defaults() {
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{
		{&c.AnswerTimeout, time.Minute},
		{&c.ConnectTimeout, 10 * time.Second},
		{&c.EchoInterval, time.Minute},
		{&c.BackOff, time.Second},
		{&c.BackOffMax, time.Minute},
	} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	c.BackOffMax = max(c.BackOffMax, c.BackOff)
	if c.TPDU == [5]byte{} {
		c.TPDU = [5]byte{0x60, 0x00, 0x01, 0x00, 0x00}
	}
	if c.Certificate == "" {
		c.Certificate = "3060"
	}
	if c.SignOn == 0 {
		c.SignOn = iso8583.SignOnTrackKey
	}
	if c.Currency == 0 {
		c.Currency = emv.CNY
	}
	if c.Idle == nil {
		c.Idle = func() bool { return true }
	}
	if c.OnSignOn == nil {
		c.OnSignOn = func(uint32, string) {}
	}
	if c.OnOrder == nil {
		c.OnOrder = func(iso8583.Order) {}
	}
}

func (c *Config) check() error {
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"Addr", c.Addr == "" && c.Dial == nil},
		{"TLS (with a certificate)", c.Dial == nil && !hasCertificate(c.TLS)},
		{"Dialect", c.Dialect == nil},
		{"Terminal (8 characters)", len(c.Terminal) != 8},
		{"Merchant (15 characters)", len(c.Merchant) != 15},
		{"Serial (1 to 95 characters)", len(c.Serial) == 0 || len(c.Serial) > 95},
		{"Certificate (4 characters)", len(c.Certificate) != 4},
		{"Operator (2 digits)", len(c.Operator) != 2},
		{"SignOn (001, 003, 004, 006 or 007)", !isSignOn(c.SignOn)},
		{"Keys", c.Keys == nil},
		{"Batch", c.Batch == nil},
		{"Now", c.Now == nil},
		{"Rand", c.Rand == nil},
		{"Log", c.Log == nil},
		{"durations (not below zero)", min(c.AnswerTimeout, c.ConnectTimeout, c.EchoInterval, c.BackOff, c.BackOffMax) < 0},
	} {
		if field.missing {
			return fmt.Errorf("acquirer: config: %s is missing or wrong", field.name)
		}
	}
	return nil
}

// sealsTracks tells that the form of the sign-on brings a track key.
func (c *Config) sealsTracks() bool {
	return c.SignOn != iso8583.SignOnSingle && c.SignOn != iso8583.SignOnDouble
}

func hasCertificate(c *tls.Config) bool {
	return c != nil && (len(c.Certificates) > 0 || c.GetClientCertificate != nil)
}

// dialer returns Dial, or one for TLS 1.3 to Addr.
func (c *Config) dialer() func(context.Context) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial
	}
	config := c.TLS.Clone()
	config.MinVersion = tls.VersionTLS13
	return func(ctx context.Context) (net.Conn, error) {
		if config.ServerName == "" {
			name, err := c.serverName()
			if err != nil {
				return nil, err
			}
			config.ServerName = name
		}
		return c.dialTLS(ctx, config)
	}
}
