package keys

import (
	"fmt"
	"io"

	"posd/emv/keyblock"
	"posd/store"
)

// MasterBlock returns the stored master key in a TR-31 block under the transport key, for a
// PIN pad that has that key too: a master key that came in parts or from the host reaches
// its slots this way. A TDES key goes into version B, every other into version D. random
// is the padding. Errors: ErrNoKey without a master or a transport key.
func (k *Keys) MasterBlock(random io.Reader) (string, error) {
	block, err := k.masterBlock(random)
	if err != nil {
		return "", fmt.Errorf("keys: master key block: %w", err)
	}
	return block, nil
}

func (k *Keys) masterBlock(random io.Reader) (block string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.master.Since.IsZero() {
		return "", fmt.Errorf("%s: %w", Master, ErrNoKey)
	}
	if k.cfg.Transport == nil {
		return "", fmt.Errorf("transport key: %w", ErrNoKey)
	}
	kbpk, err := k.cfg.Transport()
	if err != nil {
		return "", fmt.Errorf("transport key: %w", err)
	}
	defer clear(kbpk)
	version := keyblock.VersionD
	if k.master.suite() == keyblock.TDES {
		version = keyblock.VersionB
	}
	err = k.cfg.DB.View(func(tx *store.Tx) error {
		tmk, err := tx.Secret(bucket, masterKey())
		if err != nil {
			return err
		}
		defer clear(tmk)
		block, err = keyblock.WrapMaster(kbpk, k.master.suite(), tmk, version, random)
		return err
	})
	return block, err
}
