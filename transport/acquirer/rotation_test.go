package acquirer

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/emv/keyblock"
	"posd/emv/payment"
	"posd/transport/iso8583"
)

// rotating is a host that gives a new MAC key at each sign-on, of the suite.
func rotating(t *testing.T, s keyblock.Suite) *host {
	h, n := newHost(), byte(0)
	h.signOn = func(*iso8583.NetworkRequest) ([]byte, cipher.Block) {
		n += 16
		k := keyblock.WorkingKeys{Suite: s}
		mac := bytes.Repeat([]byte{n}, 16)
		if s == keyblock.TDES {
			mac = mac[:8]
		}
		for to, key := range map[*keyblock.Cryptogram][]byte{&k.PIN: bytes.Repeat([]byte{n + 1}, 16), &k.MAC: mac, &k.Track: unhex(trackKey)} {
			var err error
			if *to, err = s.Wrap(unhex(masterKey), key); err != nil {
				t.Error(err)
			}
		}
		data, err := iso8583.AppendSignOnKeys(nil, k)
		if err != nil {
			t.Error(err)
		}
		tak, err := s.NewCipher(mac)
		if err != nil {
			t.Error(err)
		}
		return data, tak
	}
	return h
}

// TestSignOnOfEverySuite: sign on, a payment with a long PIN block where the suite has one,
// and a track that only the track key opens.
func TestSignOnOfEverySuite(t *testing.T) {
	for _, row := range []struct {
		suite    keyblock.Suite
		form     iso8583.Function
		pin      string
		security string
	}{
		{keyblock.TDES, iso8583.SignOnTrackKey, "0102030405060708", "2610000000000000"},
		{keyblock.SM4, iso8583.SignOnSM4, "000102030405060708090A0B0C0D0E0F", "2310000000000000"},
		{keyblock.AES, iso8583.SignOnAES, "000102030405060708090A0B0C0D0E0F", "2410000000000000"},
	} {
		t.Run(string(row.suite), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := rotating(t, row.suite)
				r := start(t, h, func(c *Config) {
					c.SignOn = row.form
					c.Keys.(*testKeys).suite = row.suite
				})
				defer r.stop()
				req := sale(t, 42)
				req.PINBlock = unhex(row.pin)
				if a, err := r.Authorize(t.Context(), req); err != nil || a.Code != "00" {
					t.Fatalf("%+v, %v", a, err)
				}
				m := requests[*iso8583.FinancialRequest](h)[0]
				key, err := row.suite.NewCipher(unhex(trackKey))
				if err != nil {
					t.Fatal(err)
				}
				track, err := m.Sealed.Open(key)
				if err != nil || track != req.Track2 || !bytes.Equal(m.PINBlock, unhex(row.pin)) || m.Security != row.security {
					t.Errorf("track %v, PIN block of %d, security %s", err, len(m.PINBlock), m.Security)
				}
			})
		})
	}
}

// TestKeysOfAnotherSuiteEndTheSignOn: a terminal with an AES master key takes no TDES keys.
func TestKeysOfAnotherSuiteEndTheSignOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), func(c *Config) { c.Keys.(*testKeys).suite = keyblock.AES })
		defer r.stop()
		synctest.Wait()
		if s := r.Status(); s.State != Down || !strings.Contains(s.LastError, "install keys: wrong key suite") {
			t.Errorf("%v, %s", s.State, s.LastError)
		}
	})
}

// TestRotationInFlight: a payment waits for its answer while the link signs on anew. The
// host may answer with the key of the request, or with the new one; with any other key the
// answer is not the host's.
func TestRotationInFlight(t *testing.T) {
	for _, row := range []struct {
		name string
		key  func(old, now cipher.Block) cipher.Block
		slow time.Duration // until the link has the new keys
		want error
	}{
		{"answer under the old key", func(old, _ cipher.Block) cipher.Block { return old }, 0, nil},
		{"answer under the new key", func(_, now cipher.Block) cipher.Block { return now }, 0, nil},
		{"answer under the new key, which the link has later", func(_, now cipher.Block) cipher.Block { return now }, time.Second, nil},
		{"answer under a stranger's", func(_, _ cipher.Block) cipher.Block { return tdes("0123456789ABCDEF") }, 0, payment.ErrBadMAC},
		{"answer under a stranger's, and keys later", func(_, _ cipher.Block) cipher.Block { return tdes("0123456789ABCDEF") }, time.Second, payment.ErrBadMAC},
		{"answer under the new key, which the link never has", func(_, now cipher.Block) cipher.Block { return now }, 2 * time.Minute, payment.ErrBadMAC},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := rotating(t, keyblock.TDES)
				var old cipher.Block
				var held iso8583.Message
				h.script = func(c *hostConn, m iso8583.Message) bool {
					switch m := m.(type) {
					case *iso8583.FinancialRequest:
						if held == nil {
							held, old = m, h.key()
							return true
						}
					case *iso8583.NetworkRequest:
						if held != nil && old != nil {
							c.reply(m) // the new keys, and then the answer
							c.send(c.frameUnder(good(held), row.key(old, h.key())))
							old = nil
							return true
						}
					}
					return false
				}
				r := start(t, h, nil)
				defer r.stop()
				r.up(t)
				result := make(chan error, 1)
				go func() {
					_, err := r.Authorize(t.Context(), sale(t, 1))
					result <- err
				}()
				synctest.Wait()
				r.keys.setSlow(row.slow)
				r.SignOn()
				if err := <-result; !errors.Is(err, row.want) || row.want == nil && err != nil {
					t.Errorf("got %v, want %v", err, row.want)
				}
				r.keys.setSlow(0)
				advance(row.slow)
				next := sale(t, 2)
				if _, err := r.Authorize(t.Context(), next); err != nil {
					t.Errorf("the next payment: %v", err)
				}
			})
		})
	}
}

// TestOldKeyIsForgotten: a request that was made after the sign-on is not answered under
// the key of before.
func TestOldKeyIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := rotating(t, keyblock.TDES)
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		old := h.key()
		r.SignOn()
		synctest.Wait()
		h.script = first(func(c *hostConn, m iso8583.Message) { c.send(c.frameUnder(good(m), old)) })
		if _, err := r.Authorize(t.Context(), sale(t, 1)); !errors.Is(err, payment.ErrBadMAC) {
			t.Errorf("got %v", err)
		}
	})
}

// TestKeysAreChangedWhenIdle: keys that are due make no payment wait; they are changed once
// the line is silent and no payment is under way.
func TestKeysAreChangedWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan bool, 1)
		busy <- true
		r := start(t, newHost(), func(c *Config) {
			c.Idle = func() bool { b := <-busy; busy <- b; return !b }
		})
		defer r.stop()
		r.up(t)
		r.keys.setDue("used 2000 times, at most 2000")
		if _, err := r.Authorize(t.Context(), sale(t, 1)); err != nil {
			t.Fatal(err)
		}
		if r.keys.uses != 1 {
			t.Errorf("%d uses were counted", r.keys.uses)
		}
		advance(30 * time.Second)
		if got := r.host.functions(); got != "004" {
			t.Errorf("before the line was silent: %s", got)
		}
		advance(31 * time.Second)
		if got := r.host.functions(); got != "004 301" {
			t.Errorf("with a payment under way: %s", got)
		}
		<-busy
		busy <- false
		advance(time.Minute)
		if got, s := r.host.functions(), r.Status(); got != "004 301 004" || s.SignOns != 2 || s.Reconnects != 0 {
			t.Errorf("%s, %+v", got, s)
		}
		advance(time.Minute)
		if got := r.host.functions(); got != "004 301 004 301" {
			t.Errorf("once is enough: %s", got)
		}
	})
}

// TestKeysAreNotChangedUnderARequest: the line may be silent because the host thinks.
func TestKeysAreNotChangedUnderARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = first(func(c *hostConn, m iso8583.Message) { <-time.After(95 * time.Second); c.reply(m) })
		r := start(t, h, func(c *Config) { c.AnswerTimeout, c.EchoInterval = 2*time.Minute, 90*time.Second })
		defer r.stop()
		r.up(t)
		r.keys.setDue("2h0m0s old")
		result := make(chan error, 1)
		go func() {
			_, err := r.Authorize(t.Context(), sale(t, 1))
			result <- err
		}()
		if err := <-result; err != nil {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if got := r.host.functions(); strings.Contains(got, "004 004") {
			t.Errorf("functions %s", got)
		}
	})
}
