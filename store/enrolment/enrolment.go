package enrolment

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"posd/store"
)

// ErrNotEnrolled says that the terminal has no record, no certificate, or no enrolment
// under way.
var ErrNotEnrolled = errors.New("not enrolled")

// Record is what host and terminal both hold of the terminal. transport/enrol has the same
// fields, so that one converts to the other.
type Record struct {
	Serial   string `json:"serial"`
	Terminal string `json:"terminal"`
	Merchant string `json:"merchant"`
	Name     string `json:"name"`
	Bank     string `json:"bank"`
	Access   string `json:"access"`
	Hotline  string `json:"hotline"`
	Suite    string `json:"suite"`
	Version  int64  `json:"version"`
}

// Difference is one field in which host and terminal differ.
type Difference struct {
	Field string // name as in the JSON of a Record
	Here  string
	Host  string
	// Grave says that payments are at stake: numbers, merchant, keys. The others are words.
	Grave bool
}

// String is the difference for a log or a screen.
func (d Difference) String() string {
	return fmt.Sprintf("%s: here %q, at the host %q", d.Field, d.Here, d.Host)
}

// Compare returns each difference to what the host says, the grave ones first. The version
// differs only where something else does, or the host changed it back and forth: it is told
// last.
func (r Record) Compare(host Record) (out []Difference) {
	for _, row := range []struct {
		field, here, host string
		grave             bool
	}{
		{"serial", r.Serial, host.Serial, true},
		{"terminal", r.Terminal, host.Terminal, true},
		{"merchant", r.Merchant, host.Merchant, true},
		{"suite", r.Suite, host.Suite, true},
		{"name", r.Name, host.Name, false},
		{"bank", r.Bank, host.Bank, false},
		{"access", r.Access, host.Access, false},
		{"hotline", r.Hotline, host.Hotline, false},
		{"version", strconv.FormatInt(r.Version, 10), strconv.FormatInt(host.Version, 10), false},
	} {
		if row.here != row.host {
			out = append(out, Difference{row.field, row.here, row.host, row.grave})
		}
	}
	return out
}

// Store is the terminal's enrolment. Its methods may be called by several goroutines.
type Store struct{ db *store.DB }

// Open returns the enrolment of a store.
func Open(db *store.DB) (*Store, error) {
	if db == nil {
		return nil, errors.New("enrolment: open: DB is missing")
	}
	return &Store{db}, nil
}

const bucket = "enrolment"

func recordKey() []byte      { return []byte("record") }
func certificateKey() []byte { return []byte("certificate") }
func pendingKey() []byte     { return []byte("pending") }

// entry is a record as stored.
type entry struct {
	Record
	At       time.Time `json:"at"`       // when it was stored
	Compared time.Time `json:"compared"` // when the host last said what it holds
}

// Entry is a record with its dates.
type Entry struct {
	Record   Record
	At       time.Time // when it came from the host
	Compared time.Time // when it was last compared, zero for never
}

// Record returns the record; ErrNotEnrolled where there is none.
func (s *Store) Record() (Entry, error) {
	var e entry
	err := s.db.View(func(tx *store.Tx) error { return read(tx, recordKey(), &e) })
	if err != nil {
		return Entry{}, fmt.Errorf("enrolment: record: %w", err)
	}
	return e.split(), nil
}

func (e entry) split() Entry { return Entry{e.Record, e.At, e.Compared} }

func read(tx *store.Tx, key []byte, into any) error {
	value, err := tx.Get(bucket, key)
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotEnrolled
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("record %s/%s: not understood: %w", bucket, key, store.ErrDamaged)
	}
	return nil
}

// SavePending stores the secret of an enrolment that begins (enrol.Identity.Marshal), in
// place of one that was there.
func (s *Store) SavePending(secret []byte, now time.Time) error {
	value, err := json.Marshal(map[string]time.Time{"since": now})
	if err == nil {
		err = s.db.Update(func(tx *store.Tx) error { return tx.PutSecret(bucket, pendingKey(), value, secret) })
	}
	if err != nil {
		return fmt.Errorf("enrolment: save pending: %w", err)
	}
	return nil
}

// Pending returns the secret, to be wiped; ErrNotEnrolled where no enrolment is under way.
func (s *Store) Pending() (secret []byte, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		secret, err = tx.Secret(bucket, pendingKey())
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = ErrNotEnrolled
	}
	if err != nil {
		return nil, fmt.Errorf("enrolment: pending: %w", err)
	}
	return secret, nil
}

// Identity is a certificate with its key, both PEM, and the authority behind it.
type Identity struct {
	Certificate []byte `json:"certificate"`
	CA          []byte `json:"ca"`
	Key         []byte `json:"-"` // a secret; it is wiped by Complete
}

// TLS returns the identity as crypto/tls wants it, and a pool with its authority only.
func (id Identity) TLS() (tls.Certificate, *x509.CertPool, error) {
	cert, err := tls.X509KeyPair(id.Certificate, id.Key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("enrolment: certificate and key: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(id.CA) {
		return tls.Certificate{}, nil, errors.New("enrolment: the authority's certificate is none")
	}
	return cert, pool, nil
}

// Complete stores record and identity, and wipes the pending one, in one commit. A renewal
// is stored the same way.
func (s *Store) Complete(r Record, id Identity, now time.Time) error {
	defer clear(id.Key)
	if _, _, err := id.TLS(); err != nil {
		return fmt.Errorf("enrolment: complete: %w", err)
	}
	record, err := json.Marshal(entry{Record: r, At: now, Compared: now})
	if err != nil {
		return fmt.Errorf("enrolment: complete: %w", err)
	}
	public, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("enrolment: complete: %w", err)
	}
	err = s.db.Update(func(tx *store.Tx) error {
		return errors.Join(
			tx.PutBare(bucket, recordKey(), record),
			tx.PutSecret(bucket, certificateKey(), public, id.Key),
			tx.Delete(bucket, pendingKey()),
		)
	})
	if err != nil {
		return fmt.Errorf("enrolment: complete: %w", err)
	}
	return nil
}

// Certificate returns the terminal's identity; ErrNotEnrolled where there is none. The key
// is the caller's to wipe.
func (s *Store) Certificate() (id Identity, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		if err := read(tx, certificateKey(), &id); err != nil {
			return err
		}
		id.Key, err = tx.Secret(bucket, certificateKey())
		return err
	})
	if err != nil {
		return Identity{}, fmt.Errorf("enrolment: certificate: %w", err)
	}
	return id, nil
}

// Erase removes certificate, key and a pending identity, in one commit; their data keys are
// wiped with it. The record stays: it is no secret, and says whose terminal this was. For a
// housing that was opened (store/tamper), together with keys.Erase. Nothing there is no
// error.
func (s *Store) Erase() error {
	err := s.db.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(bucket, certificateKey()), tx.Delete(bucket, pendingKey()))
	})
	if err != nil {
		return fmt.Errorf("enrolment: erase: %w", err)
	}
	return nil
}

// Compare holds the record against what the host says and returns the differences. When it
// was done is stored, where the last time is a day ago or more: the host may be asked at
// each sign-on.
func (s *Store) Compare(host Record, now time.Time) ([]Difference, error) {
	have, err := s.Record()
	if err != nil {
		return nil, err
	}
	found := have.Record.Compare(host)
	const often = 24 * time.Hour
	if age := now.Sub(have.Compared); age >= 0 && age < often {
		return found, nil
	}
	return found, s.put(entry{have.Record, have.At, now})
}

// Adopt takes over what the host says of names, bank, access and hotline (REQUIREMENTS
// F08). A grave difference is refused: numbers and keys change by an enrolment only.
func (s *Store) Adopt(host Record, now time.Time) error {
	have, err := s.Record()
	if err != nil {
		return err
	}
	for _, d := range have.Record.Compare(host) {
		if d.Grave {
			return fmt.Errorf("enrolment: adopt: %v: needs an enrolment", d)
		}
	}
	return s.put(entry{host, now, now})
}

func (s *Store) put(e entry) error {
	value, err := json.Marshal(e)
	if err == nil {
		err = s.db.Update(func(tx *store.Tx) error { return tx.PutBare(bucket, recordKey(), value) })
	}
	if err != nil {
		return fmt.Errorf("enrolment: store record: %w", err)
	}
	return nil
}
