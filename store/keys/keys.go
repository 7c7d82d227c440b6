package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posd/emv/keyblock"
	"posd/store"
)

var (
	// ErrNoKey says that a key is not there yet: no master key was loaded, or no sign-on
	// brought the working key.
	ErrNoKey = errors.New("no such key")
	// ErrUsage says that a key block carries a key for another purpose.
	ErrUsage = keyblock.ErrUsage
	// ErrSuite says that working keys are of another suite than the master key.
	ErrSuite = keyblock.ErrSuite
)

// Names of the keys, as screens and the control socket show them.
const (
	Master = "TMK"
	PIN    = "TPK"
	MAC    = "TAK"
	Track  = "TDK"
)

// Config is what the keys need. DB and Now are required.
type Config struct {
	DB  *store.DB
	Now func() time.Time // business clock, for Info.Since
	// Transport returns the transport key, 16, 24 or 32 bytes, which is wiped after use;
	// see [TransportFile]. nil: no key block can be loaded.
	Transport func() ([]byte, error)
	// Policy says when working keys are to be changed. The zero value never says so.
	Policy Policy
}

// Info tells of a key without showing it.
type Info struct {
	Name  string
	Suite keyblock.Suite
	KCV   string    // first 3 bytes of the check value, 6 hexadecimal digits; empty for no key
	Since time.Time // zero for no key
}

// Keys are the terminal's keys. Its methods may be called by several goroutines.
type Keys struct {
	cfg Config

	mu      sync.Mutex
	master  info
	working working
	mac     cipher.Block // nil for none
	track   cipher.Block // nil for none
	fresh   bool         // the working keys came in this run: uses counts them
	uses    atomic.Int64
}

// Bucket and keys of the records.
const bucket = "keys"

func masterKey() []byte  { return []byte("master") }
func workingKey() []byte { return []byte("working") }

// info is the stored form of what may be told of a key.
type info struct {
	KCV   keyblock.KCV   `json:"kcv"`
	Since time.Time      `json:"since,omitzero"`
	Suite keyblock.Suite `json:"suite,omitempty"` // empty in records from before there were suites: TDES
}

// working is the stored form of a sign-on's keys, as they came.
type working struct {
	PIN   keyblock.Cryptogram `json:"pin"`
	MAC   keyblock.Cryptogram `json:"mac"`
	Track keyblock.Cryptogram `json:"track"`
	Since time.Time           `json:"since,omitzero"`
}

// Open reads the keys that are there; none is no error.
func Open(cfg Config) (*Keys, error) {
	if cfg.DB == nil {
		return nil, errors.New("keys: open: DB is missing")
	}
	if cfg.Now == nil {
		return nil, errors.New("keys: open: Now is missing")
	}
	k := &Keys{cfg: cfg}
	if err := k.load(); err != nil {
		return nil, fmt.Errorf("keys: open: %w", err)
	}
	return k, nil
}

// load reads both records and makes the ciphers.
func (k *Keys) load() error {
	var master info
	var work working
	var tmk []byte
	defer func() { clear(tmk) }()
	err := k.cfg.DB.View(func(tx *store.Tx) (err error) {
		if err = read(tx, masterKey(), &master); err != nil {
			return err
		}
		if err = read(tx, workingKey(), &work); err != nil || work.Since.IsZero() {
			return err
		}
		tmk, err = tx.Secret(bucket, masterKey())
		return err
	})
	if err != nil {
		return err
	}
	k.master, k.working, k.mac, k.track = master, work, nil, nil
	if work.Since.IsZero() {
		return nil
	}
	k.mac, k.track, err = ciphers(master.Suite, tmk, work)
	return err
}

// read reads a record; into stays zero where there is none.
func read(tx *store.Tx, key []byte, into any) error {
	value, err := tx.Get(bucket, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("record %s/%s: not understood: %w", bucket, key, store.ErrDamaged)
	}
	return nil
}

// ciphers unwraps each key under the master key, checks its check value, and returns the
// two that the agent itself uses.
func ciphers(suite keyblock.Suite, tmk []byte, w working) (mac, track cipher.Block, err error) {
	for _, row := range []struct {
		name string
		c    keyblock.Cryptogram
		use  *cipher.Block
	}{{PIN, w.PIN, nil}, {MAC, w.MAC, &mac}, {Track, w.Track, &track}} {
		if row.name == Track && row.c.IsZero() {
			continue
		}
		if err := unwrap(suite, tmk, row.c, row.use); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return mac, track, nil
}

func unwrap(suite keyblock.Suite, tmk []byte, c keyblock.Cryptogram, use *cipher.Block) error {
	key, err := suite.Unwrap(tmk, c)
	if err != nil {
		return err
	}
	defer clear(key)
	if use == nil {
		return nil
	}
	*use, err = suite.NewCipher(key)
	return err
}

// LoadMaster stores a TDES master key of 16 or 24 bytes; see [Keys.LoadMasterFor].
func (k *Keys) LoadMaster(tmk []byte) (Info, error) { return k.LoadMasterFor(keyblock.TDES, tmk) }

// LoadMasterFor stores a terminal master key of a suite, which the caller wipes, and
// forgets the one before with its working keys. A key that is there already changes
// nothing. Errors: keyblock.ErrKey, keyblock.ErrWeak, ErrSuite.
func (k *Keys) LoadMasterFor(suite keyblock.Suite, tmk []byte) (Info, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.loadMaster(suite, tmk); err != nil {
		return Info{}, fmt.Errorf("keys: load master key: %w", err)
	}
	return k.master.public(Master), nil
}

func (k *Keys) loadMaster(name keyblock.Suite, tmk []byte) error {
	suite, err := keyblock.ParseSuite(string(name))
	if err != nil {
		return err
	}
	if err := suite.CheckMaster(tmk); err != nil {
		return err
	}
	kcv, err := suite.CheckValue(tmk)
	if err != nil {
		return err
	}
	if there, err := k.hasMaster(suite, tmk); there || err != nil {
		return err
	}
	value, err := json.Marshal(info{kcv, k.cfg.Now(), suite})
	if err != nil {
		return err
	}
	err = k.cfg.DB.Update(func(tx *store.Tx) error {
		if err := tx.Delete(bucket, workingKey()); err != nil {
			return err
		}
		return tx.PutSecret(bucket, masterKey(), value, tmk)
	})
	return k.settle(err, func() (bool, error) { return k.hasMaster(suite, tmk) })
}

// hasMaster tells whether tmk is the stored master key, for this suite.
func (k *Keys) hasMaster(suite keyblock.Suite, tmk []byte) (bool, error) {
	same := false
	err := k.cfg.DB.View(func(tx *store.Tx) error {
		stored, err := tx.Secret(bucket, masterKey())
		defer clear(stored)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		var there info
		if err == nil {
			err = read(tx, masterKey(), &there)
		}
		same = subtle.ConstantTimeCompare(stored, tmk) == 1 && there.suite() == suite
		return err
	})
	return same, err
}

// settle takes over what the disk holds. If the commit failed, stored asks the disk
// whether it holds the change all the same.
func (k *Keys) settle(commit error, stored func() (bool, error)) error {
	if commit != nil && !errors.Is(commit, store.ErrUnknown) {
		return commit
	}
	if err := k.load(); err != nil {
		return errors.Join(commit, err)
	}
	if commit == nil {
		return nil
	}
	if there, err := stored(); err != nil || !there {
		return errors.Join(commit, err)
	}
	return nil
}

// Install stores the working keys of a sign-on, all or none, in one commit. Each is
// unwrapped under the master key and its check value compared first. Errors: ErrNoKey
// without a master key or where a PIN or a MAC key is missing, ErrSuite where the sign-on
// was for another suite than the master key's, keyblock.ErrKCV.
func (k *Keys) Install(w keyblock.WorkingKeys) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.install(w); err != nil {
		return fmt.Errorf("keys: install: %w", err)
	}
	return nil
}

func (k *Keys) install(w keyblock.WorkingKeys) error {
	switch {
	case k.master.Since.IsZero():
		return fmt.Errorf("%s: %w", Master, ErrNoKey)
	case w.PIN.IsZero():
		return fmt.Errorf("%s: %w", PIN, ErrNoKey)
	case w.MAC.IsZero():
		return fmt.Errorf("%s: %w", MAC, ErrNoKey)
	}
	if suite := k.master.suite(); w.Suite != "" && w.Suite != suite {
		return fmt.Errorf("%s keys under a %s master key: %w", w.Suite, suite, ErrSuite)
	}
	next := working{w.PIN, w.MAC, w.Track, k.cfg.Now()}
	if err := k.fits(next); err != nil {
		return err
	}
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	err = k.cfg.DB.Update(func(tx *store.Tx) error { return tx.PutBare(bucket, workingKey(), value) })
	err = k.settle(err, func() (there bool, err error) {
		err = k.cfg.DB.View(func(tx *store.Tx) error {
			stored, err := tx.Get(bucket, workingKey())
			there = bytes.Equal(stored, value)
			return err
		})
		return there, err
	})
	if err == nil {
		k.fresh = true
		k.uses.Store(0)
	}
	return err
}

// Erase removes the master key, the working keys and the DUKPT keys, in one commit; the
// data keys of the first and the last are wiped with them. No keys is no error. What the terminal has in memory is
// gone even if the commit fails: then a restart has the keys again, and Erase is to be
// called again.
func (k *Keys) Erase() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.master, k.working, k.mac, k.track = info{}, working{}, nil, nil
	err := k.cfg.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(bucket, workingKey()), tx.Delete(bucket, masterKey()), tx.Delete(bucket, dukptKey()))
	})
	if errors.Is(err, store.ErrUnknown) {
		err = k.confirmErased(err)
	}
	if err != nil {
		return fmt.Errorf("keys: erase: %w", err)
	}
	return nil
}

// confirmErased asks the disk whether a commit that failed did its work all the same.
func (k *Keys) confirmErased(commit error) error {
	return k.cfg.DB.View(func(tx *store.Tx) error {
		for _, key := range [][]byte{masterKey(), workingKey(), dukptKey()} {
			if _, err := tx.Get(bucket, key); !errors.Is(err, store.ErrNotFound) {
				return errors.Join(commit, err)
			}
		}
		return nil
	})
}

// fits unwraps the keys under the stored master key.
func (k *Keys) fits(w working) error {
	return k.cfg.DB.View(func(tx *store.Tx) error {
		tmk, err := tx.Secret(bucket, masterKey())
		if err != nil {
			return err
		}
		defer clear(tmk)
		_, _, err = ciphers(k.master.Suite, tmk, w)
		return err
	})
}

// Suite is that of the master key; empty without one.
func (k *Keys) Suite() keyblock.Suite {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.master.Since.IsZero() {
		return ""
	}
	return k.master.suite()
}

// MACKey returns the cipher of the MAC key, or ErrNoKey. Its blocks have 8 bytes (DES or
// TDES by the length of the key) or 16 (AES, SM4); keyblock.MethodOf tells how field 64 is
// made with it.
func (k *Keys) MACKey() (cipher.Block, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return have(MAC, k.mac)
}

// TrackKey returns the cipher of the track key, with blocks as those of the MAC key's, or
// ErrNoKey.
func (k *Keys) TrackKey() (cipher.Block, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return have(Track, k.track)
}

func have(name string, block cipher.Block) (cipher.Block, error) {
	if block == nil {
		return nil, fmt.Errorf("keys: %s: %w", name, ErrNoKey)
	}
	return block, nil
}

// PINKey returns the PIN key as the host sent it, under the master key that the PIN pad
// has too, or ErrNoKey. Its PIN block is of format 0 for TDES, of format 4 for the others.
func (k *Keys) PINKey() (keyblock.Cryptogram, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.working.PIN.IsZero() {
		return keyblock.Cryptogram{}, fmt.Errorf("keys: %s: %w", PIN, ErrNoKey)
	}
	c := k.working.PIN
	c.Bytes = bytes.Clone(c.Bytes)
	return c, nil
}

// KCVs tells of the four keys in their order, also of those that are not there.
func (k *Keys) KCVs() []Info {
	k.mu.Lock()
	defer k.mu.Unlock()
	return []Info{
		k.master.public(Master),
		k.infoOf(k.working.PIN).public(PIN),
		k.infoOf(k.working.MAC).public(MAC),
		k.infoOf(k.working.Track).public(Track),
	}
}

func (k *Keys) infoOf(c keyblock.Cryptogram) info {
	if c.IsZero() {
		return info{}
	}
	return info{c.KCV, k.working.Since, k.master.suite()}
}

// suite is that of the record, by its full name.
func (i info) suite() keyblock.Suite {
	if i.Suite == "" {
		return keyblock.TDES
	}
	return i.Suite
}

func (i info) public(name string) Info {
	if i.Since.IsZero() {
		return Info{Name: name}
	}
	return Info{name, i.suite(), strings.ToUpper(hex.EncodeToString(i.KCV[:3])), i.Since}
}
