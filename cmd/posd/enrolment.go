package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"posd/store/enrolment"
	"posd/transport/control"
	"posd/transport/enrol"
)

// EnrolmentConfig is where a new terminal gets its numbers, its certificate and its key.
type EnrolmentConfig struct {
	Address Value `yaml:"address"` // host:port of the host's enrolment listener
	CA      Value `yaml:"ca"`      // PEM file of the host's authority, or its SHA-256 in 64 hexadecimal digits
}

// enrolled is who the terminal is, by enrolment or by files.
type enrolled struct {
	store *enrolment.Store
	wake  chan struct{} // capacity 1: the terminal has signed on
	again chan struct{} // capacity 1: it was enrolled anew

	mu      sync.Mutex
	cert    *tls.Certificate     // what the host is shown; nil for none
	conf    []control.Difference // between record and configuration
	differs []control.Difference // between record and host
	asked   time.Time            // when the host was last asked for its record
	failed  string               // why the last renewal failed
}

// enrols tells whether the configuration names a host to enrol with: then it may leave out
// what the enrolment brings.
func (cfg *Config) enrols() bool { return cfg.Enrolment.Address.Set }

// checkEnrolment looks at the section.
func (cfg *Config) checkEnrolment(c *complaints) {
	e := cfg.Enrolment
	if !cfg.enrols() {
		if e.CA.Set {
			c.add(e.CA.Line, "enrolment.address is missing")
		}
		return
	}
	if _, err := cfg.enrolClient(control.Activation{}, time.Now); err != nil {
		c.add(e.Address.Line, "enrolment: %v", err)
	}
}

// enrolClient is a client of the host's enrolment listener: the configured one, with what
// a technician says in its place. An authority may be added, not replaced.
func (cfg *Config) enrolClient(act control.Activation, now func() time.Time) (*enrol.Client, error) {
	conf := enrol.Config{Host: cfg.Enrolment.Address.Text, Now: now}
	if act.Address != "" {
		conf.Host = act.Address
	}
	own, err := cfg.authority()
	if err != nil {
		return nil, err
	}
	conf.Fingerprint = own
	if act.Authority != "" {
		told, err := enrol.ParseFingerprint(act.Authority)
		if err != nil {
			return nil, err
		}
		if own != [32]byte{} && own != told {
			return nil, errors.New("the activation is for another authority than enrolment.ca")
		}
		conf.Fingerprint = told
	}
	if conf.Fingerprint == [32]byte{} {
		conf.Fingerprint = [32]byte{1} // nobody's: only the address is checked
		_, err := enrol.New(conf)
		if err == nil && act.Code != "" {
			err = errors.New("neither enrolment.ca nor the activation names the host's authority")
		}
		return nil, err
	}
	return enrol.New(conf)
}

// authority is the SHA-256 of the configured authority's certificate; zero for none.
func (cfg *Config) authority() (out [32]byte, err error) {
	v := cfg.Enrolment.CA
	if !v.Set || v.Text == "" {
		return out, nil
	}
	if out, err = enrol.ParseFingerprint(v.Text); err == nil {
		return out, nil
	}
	text, err := os.ReadFile(v.Text)
	if err != nil {
		return out, fmt.Errorf("ca: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return out, fmt.Errorf("ca: %s: no PEM certificate in it", v.Text)
	}
	return sha256.Sum256(block.Bytes), nil
}

// openEnrolment reads the record, and fills in what the configuration leaves out.
func (a *agent) openEnrolment() (err error) {
	e := &a.enrolled
	e.wake, e.again = make(chan struct{}, 1), make(chan struct{}, 1)
	if e.store, err = enrolment.Open(a.disk.DB); err != nil {
		return err
	}
	entry, err := e.store.Record()
	if errors.Is(err, enrolment.ErrNotEnrolled) {
		return nil
	}
	if err != nil {
		return err
	}
	own := *a.cfg // the file's stays as it is: an enrolment begins from it again
	a.cfg = &own
	e.conf = own.fillIn(entry.Record)
	a.face.screen.name = own.Terminal.Name.Text
	return nil
}

// fillIn takes from the record what the file does not say, and returns where they differ.
func (cfg *Config) fillIn(r enrolment.Record) (out []control.Difference) {
	t := &cfg.Terminal
	for _, row := range []struct {
		field, record string
		value         *Value
		grave         bool
	}{
		{"serial", r.Serial, &t.Serial, true},
		{"terminal", r.Terminal, &t.ID, true},
		{"merchant", r.Merchant, &t.Merchant, true},
		{"name", r.Name, &t.Name, false},
		{"hotline", r.Hotline, &t.Hotline, false},
	} {
		switch {
		case !row.value.Set && row.record != "":
			*row.value = Value{Text: row.record, Set: true}
		case row.value.Set && row.record != "" && row.value.Text != row.record:
			out = append(out, control.Difference{
				Field: row.field, Here: row.record, There: row.value.Text, With: "configuration", Grave: row.grave,
			})
		}
	}
	return out
}

// byFile tells that the terminal is who its configuration's files say.
func (a *agent) byFile() bool { return a.cfg.Host.Certificate.Set }

// isNew tells that the terminal has nothing to show to its host.
func (a *agent) isNew() (bool, error) {
	if a.byFile() {
		return false, nil
	}
	id, err := a.enrolled.store.Certificate()
	clear(id.Key)
	if errors.Is(err, enrolment.ErrNotEnrolled) {
		return true, nil
	}
	return false, err
}

// identity loads what the terminal shows to its host, and whom it trusts.
func (a *agent) identity() (*x509.CertPool, error) {
	if !a.byFile() {
		return a.enrolled.load()
	}
	h := a.cfg.Host
	cert, err := tls.LoadX509KeyPair(h.Certificate.Text, h.Key.Text)
	if err != nil {
		return nil, fmt.Errorf("posd: host.certificate: %w", err)
	}
	text, err := os.ReadFile(h.CA.Text)
	if err != nil {
		return nil, fmt.Errorf("posd: host.ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("posd: host.ca: %s: no PEM certificate in it", h.CA.Text)
	}
	a.enrolled.set(&cert)
	return roots, nil
}

// load reads the certificate of the enrolment: from now on it is shown.
func (e *enrolled) load() (*x509.CertPool, error) {
	id, err := e.store.Certificate()
	if err != nil {
		return nil, err
	}
	defer clear(id.Key)
	cert, roots, err := id.TLS()
	if err != nil {
		return nil, err
	}
	e.set(&cert)
	return roots, nil
}

func (e *enrolled) set(cert *tls.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cert = cert
}

// certificate is the current one, for each new connection.
func (e *enrolled) certificate() (*tls.Certificate, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cert == nil {
		return nil, fmt.Errorf("posd: certificate: %w", enrolment.ErrNotEnrolled)
	}
	return e.cert, nil
}

// erase forgets the certificate, on disk and in memory.
func (e *enrolled) erase() error {
	e.set(nil)
	return e.store.Erase()
}

// eraseSecrets is for a housing that was opened: keys, certificate, and an enrolment that
// is under way.
func (a *agent) eraseSecrets() error { return errors.Join(a.keys.Erase(), a.enrolled.erase()) }

// signedOn has the record compared; it does not wait.
func (e *enrolled) signedOn() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// enrolmentSnapshot is the record as it may be read, off line too.
func (a *agent) enrolmentSnapshot() control.Enrolment {
	out := control.Enrolment{Serial: a.cfg.Terminal.Serial.Text, Address: a.cfg.Enrolment.Address.Text}
	if print, err := a.cfg.authority(); err == nil && print != [32]byte{} {
		out.Authority = hex.EncodeToString(print[:])
	}
	e := &a.enrolled
	if entry, err := e.store.Record(); err == nil {
		r := entry.Record
		out.Terminal, out.Merchant, out.Name = r.Terminal, r.Merchant, r.Name
		out.Bank, out.Access, out.Hotline, out.Suite = maskAccount(r.Bank), r.Access, r.Hotline, r.Suite
		out.Since, out.Compared = entry.At, entry.Compared
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cert != nil && e.cert.Leaf != nil {
		out.Enrolled, out.Expires = !a.byFile(), e.cert.Leaf.NotAfter
		if out.Enrolled {
			out.Renews = enrol.RenewAt(e.cert.Leaf)
		}
	}
	out.Differences = append(append(out.Differences, e.conf...), e.differs...)
	return out
}

// maskAccount hides all but the last four digits of each long run of digits.
func maskAccount(s string) string {
	const long, shown = 8, 4
	b := []byte(s)
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && b[j] >= '0' && b[j] <= '9' {
			j++
		}
		if j-i >= long {
			for k := i; k < j-shown; k++ {
				b[k] = '*'
			}
		}
		i = max(j, i+1)
	}
	return string(b)
}

// enrolmentFindings are what is wrong with who the terminal is.
func (a *agent) enrolmentFindings() (out []control.Finding) {
	s := a.enrolmentSnapshot()
	if !a.byFile() && !s.Enrolled {
		out = append(out, control.NotEnrolled.With("serial number "+s.Serial))
	}
	for _, d := range s.Differences {
		out = append(out, control.EnrolDiffers.With(d.String()))
	}
	if why := a.expiry(); why != "" {
		out = append(out, control.CertExpiry.With(why))
	}
	return out
}

// expiry says that the certificate's time is nearly over: an eighth of it is left, which
// is half of what was left when its renewal was due.
func (a *agent) expiry() string {
	e := &a.enrolled
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cert == nil || e.cert.Leaf == nil {
		return ""
	}
	from, to, now := e.cert.Leaf.NotBefore, e.cert.Leaf.NotAfter, a.world.now()
	if now.Before(to.Add(-to.Sub(from) / 8)) {
		return ""
	}
	text := to.Format(time.DateOnly)
	if e.failed != "" {
		text += "; " + e.failed
	}
	return text
}

// EnrolTerminal uses an activation code; the agent then starts anew, as that terminal.
func (b backend) EnrolTerminal(ctx context.Context, act control.Activation) (out control.Enrolment, err error) {
	if err := b.a.locked(); err != nil {
		return out, err
	}
	err = b.alone(ctx, func(ctx context.Context) (err error) {
		if n, _ := b.a.disk.Journal.Count(); n > 0 && b.a.enrolmentSnapshot().Enrolled {
			return fmt.Errorf("%w: %d payments are not settled: settle before another enrolment", control.ErrInvalid, n)
		}
		out, err = b.a.enrolTerminal(ctx, act)
		return err
	})
	return out, err
}
