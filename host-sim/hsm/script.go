package hsm

import (
	"encoding/binary"
	"fmt"

	"posd/emv/issuer"
	"posd/emv/keyblock"
)

// SMI is an issuer master key for the MAC of script commands.
const SMI Usage = "SMI"

// ScriptMAC makes the MAC of a script command that carries nothing else. header is
// CLA INS P1 P2 Lc, where Lc counts the MAC; c is the cryptogram that the card asked with.
// The session key is derived from that cryptogram. EMV 4.4 Book 2, 9.2 and Annex A1.3.1.
func (m *Module) ScriptMAC(smi Key, c Cryptogram, header [5]byte) (mac [8]byte, err error) {
	err = m.use(SMI, smi, func(_ keyblock.Suite, clear []byte) error {
		card, err := issuer.DeriveICCMasterKey(clear, c.PAN, c.PSN)
		if err != nil {
			return err
		}
		defer zero(card)
		session, err := issuer.SessionKeyFrom(card, c.ARQC)
		if err != nil {
			return err
		}
		defer zero(session)
		message := binary.BigEndian.AppendUint16(append(make([]byte, 0, 15), header[:]...), binary.BigEndian.Uint16(c.ATC[:]))
		mac, err = issuer.MAC(session, append(message, c.ARQC[:]...), issuer.Pad80)
		return err
	})
	if err != nil {
		return mac, fmt.Errorf("hsm: script MAC: %w", err)
	}
	return mac, nil
}
