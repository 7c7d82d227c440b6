package simulate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/emv/kernel"
	"posd/emv/keyblock"
	hostsim "posd/host-sim"
	"posd/store"
	"posd/store/keys"
	"posd/store/wal"
)

// Who the terminal is.
const (
	tid    = "POSD0001"
	mid    = "104403154110001"
	serial = "SIM00000001"
)

// account is a card with its money, in fen.
type account struct {
	name    string // of device/sim/cards
	opening int64
}

var accounts = []account{
	{"union-rich", 10_000_000},
	{"union-cda", 10_000_000},
	{"union-poor", 20_000},
	{"union-sda", 10_000_000},
}

// Scene is what every run begins with, made once: the host's database, the terminal's
// store with its master key, the cards' files and the kernel.
type Scene struct {
	dir      string
	host     *hostsim.Template
	store    map[string][]byte // files of the terminal by name
	tmk      []byte
	profiles []*card.Profile
	kernel   *kernel.Kernel
}

// noon is the business time at which every run begins.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// NewScene makes a scene. dir is an existing folder, best in memory; the runs work there.
func NewScene(ctx context.Context, dir string) (*Scene, error) {
	s := &Scene{dir: dir, store: map[string][]byte{}}
	for _, a := range accounts {
		p, err := cards.Load(a.name)
		if err != nil {
			return nil, err
		}
		s.profiles = append(s.profiles, p)
	}
	var err error
	if s.kernel, err = newKernel(); err != nil {
		return nil, err
	}
	s.host, err = hostsim.NewTemplate(ctx, hostsim.TemplateConfig{Dir: dir, Seed: s.seed(), Now: noon, Rand: rand.NewChaCha8([32]byte{'h'})})
	if err != nil {
		return nil, err
	}
	s.tmk = s.host.Terminals()[0].TMK
	return s, s.makeStore(dir)
}

func (s *Scene) seed() hostsim.Seed {
	seed := hostsim.Seed{
		Merchants: []hostsim.SeedMerchant{{MID: mid, Name: "SIMULATED"}},
		Terminals: []hostsim.SeedTerminal{{TID: tid, MID: mid, SN: serial}},
	}
	keyed := map[byte]bool{}
	for i, p := range s.profiles {
		if !keyed[p.DKI] {
			keyed[p.DKI] = true
			seed.IssuerKeys = append(seed.IssuerKeys, hostsim.SeedIssuerKey{
				BIN: p.PAN.Reveal()[:6], Index: int(p.DKI), IMK: fmt.Sprintf("%X", p.IMK[:]), ARPC: p.ARPCMethod,
			})
		}
		seed.Cards = append(seed.Cards, hostsim.SeedCard{
			PAN: p.PAN.Reveal(), PSN: max(p.PANSequence, 0), Expiry: expiryOf(p), PIN: p.PIN,
			Opening: fmt.Sprintf("%d.%02d", accounts[i].opening/100, accounts[i].opening%100),
		})
	}
	return seed
}

// expiryOf is the card's expiry, YYMM.
func expiryOf(p *card.Profile) string { return fmt.Sprintf("%02X%02X", p.Expiry[0], p.Expiry[1]) }

// makeStore makes the terminal's file with the master key in it, as a technician leaves it.
func (s *Scene) makeStore(dir string) error {
	folder := filepath.Join(dir, "store")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	db, err := store.Open(store.Config{
		Path: filepath.Join(folder, "posd.db"), Key: deviceKey{}, Rand: rand.NewChaCha8([32]byte{'s'}), MaxSize: storeSize,
	})
	if err != nil {
		return err
	}
	protection := sha256.Sum256([]byte("key loader"))
	block, err := masterBlock(protection[:16], s.tmk)
	if err == nil {
		err = loadMaster(db, protection[:16], block)
	}
	if err == nil {
		err = makeLog(filepath.Join(folder, "posd.log"))
	}
	if closed := db.Close(); err != nil || closed != nil {
		return fmt.Errorf("simulate: store: %w %w", err, closed)
	}
	return s.keep(folder)
}

func masterBlock(protection, tmk []byte) (string, error) {
	return keyblock.Wrap(protection, keyblock.Header{
		Version: keyblock.VersionB, Usage: keyblock.UsageKeyEncryption, Algorithm: keyblock.AlgorithmTDES,
		Mode: keyblock.ModeDecrypt, KeyVersion: "00", Exportability: keyblock.ExportableNever,
	}, tmk, make([]byte, 6))
}

func loadMaster(db *store.DB, protection []byte, block string) error {
	k, err := keys.Open(keys.Config{
		DB: db, Now: func() time.Time { return noon },
		Transport: func() ([]byte, error) { return []byte(string(protection)), nil },
	})
	if err != nil {
		return err
	}
	_, err = k.LoadMasterBlock(block)
	return err
}

// makeLog makes the second copy, empty.
func makeLog(path string) error {
	log, err := wal.Open(wal.Config{Path: path, Key: deviceKey{}, Rand: rand.NewChaCha8([32]byte{'l'}), Frames: logFrames})
	if err != nil {
		return err
	}
	return log.Close()
}

// keep reads the files of the terminal's folder.
func (s *Scene) keep(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") {
			continue
		}
		if s.store[e.Name()], err = os.ReadFile(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// lay copies the terminal's files into a run's folder.
func (s *Scene) lay(folder string) error {
	for name, content := range s.store {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
