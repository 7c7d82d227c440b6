package enrolment

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"posd/emv/keyblock/remote"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
)

// checked is a request that can be answered.
type checked struct {
	enrolRequest
	csr  *x509.CertificateRequest
	key  *rsa.PublicKey
	hash []byte // of key pair and nonce: the same request has the same
}

// enrol uses an activation code. What it does to the database is one transaction: a code is
// used and the device bound, or neither.
func (s *Server) enrol(r *http.Request) (out answer, err error) {
	var in checked
	if err := read(r, &in.enrolRequest); err != nil {
		return answer{}, err
	}
	if err := in.check(); err != nil {
		return answer{}, err
	}
	var told error // what the terminal is told, after a wrong try is on disk
	err = s.cfg.DB.Update(r.Context(), func(tx db.Tx) error {
		out, told = s.use(r.Context(), tx, in)
		var p problem
		if errors.As(told, &p) {
			return nil
		}
		return told
	})
	return out, errors.Join(told, err)
}

// check reads what can be read without the database.
func (c *checked) check() (err error) {
	if len(c.Nonce) != remote.NonceSize || len(c.Code) > 4*codeLength {
		return fmt.Errorf("%w: nonce of %d bytes, code of %d", errRequest, len(c.Nonce), len(c.Code))
	}
	if c.csr, err = estate.ParseRequest([]byte(c.CSR), c.Serial); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(c.TransportKey))
	if block == nil {
		return fmt.Errorf("%w: transport key is no PEM", errRequest)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := public.(*rsa.PublicKey)
	if err != nil || !ok || key.N.BitLen() < remote.MinBits || key.N.BitLen() > remote.MaxBits || key.E < 65537 {
		return fmt.Errorf("%w: transport key: RSA of %d to %d bits wanted", errRequest, remote.MinBits, remote.MaxBits)
	}
	c.key = key
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(c.Serial), c.csr.RawSubjectPublicKeyInfo, block.Bytes, c.Nonce} {
		fmt.Fprintf(sum, "%d:", len(part))
		sum.Write(part)
	}
	c.hash = sum.Sum(nil)
	return nil
}

// use looks at the code, and enrols.
func (s *Server) use(ctx context.Context, tx db.Tx, in checked) (answer, error) {
	d, err := estate.FindDevice(ctx, tx, in.Serial)
	switch {
	case errors.Is(err, estate.ErrNoDevice):
		return answer{}, fmt.Errorf("%w: %w", errRefused, err)
	case err != nil:
		return answer{}, err
	case d.State == estate.Replaced:
		return answer{}, fmt.Errorf("%w: device was replaced", errRefused)
	case d.Tries >= MaxTries:
		return answer{}, errLocked
	}
	if len(d.CodeHash) == 0 || !hmac.Equal(d.CodeHash, s.cfg.Module.CodeHash(in.Serial, plain(in.Code))) {
		d.Tries++
		if err := estate.SaveDevice(ctx, tx, d); err != nil {
			return answer{}, err
		}
		return answer{}, fmt.Errorf("%w: wrong code, try %d of %d", errRefused, d.Tries, MaxTries)
	}
	if !s.cfg.Now().Before(d.Until) {
		return answer{}, errExpired
	}
	if d.State == estate.Enrolled {
		return s.again(d, in)
	}
	return s.bind(ctx, tx, d, in)
}

// again answers a request that was answered before, and refuses every other one.
func (s *Server) again(d estate.Device, in checked) (out answer, err error) {
	if !hmac.Equal(d.Request, in.hash) {
		return answer{}, errUsed
	}
	text, err := s.cfg.Module.Open(sealLabel(d.SN), d.Answer)
	if err != nil {
		return answer{}, err
	}
	return out, json.Unmarshal(text, &out)
}

func sealLabel(sn string) string { return "enrolment of " + sn }

// bind makes the device the terminal's, with a fresh master key and a certificate.
func (s *Server) bind(ctx context.Context, tx db.Tx, d estate.Device, in checked) (answer, error) {
	t, err := estate.FindTerminal(ctx, tx, d.TID)
	if err != nil {
		return answer{}, err
	}
	if t.Status != estate.Active {
		return answer{}, fmt.Errorf("%w: %s is %s", errTerminal, t.TID, t.Status)
	}
	t.SN = d.SN
	if t.TMK, err = s.cfg.Module.NewSuiteKey(hsm.TMK, d.Suite, 16); err != nil {
		return answer{}, err
	}
	out, err := s.describe(ctx, tx, t)
	if err != nil {
		return answer{}, err
	}
	to := remote.Context{Serial: t.SN, Terminal: t.TID, Merchant: t.MID, Nonce: in.Nonce}
	delivery, kcv, err := s.cfg.Module.DeliverTMK(t.TMK, s.cfg.CA, in.key, to)
	if err != nil {
		return answer{}, err
	}
	out.MasterKey = deliveryOf(delivery, strings.ToUpper(hex.EncodeToString(kcv[:3])))
	chain, err := s.cfg.CA.SignRequest(in.csr, t.TID, t.SN, s.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	out.Certificate = string(chain)
	return out, s.keep(ctx, tx, d, t.TMK, in.hash, out)
}

// keep stores the binding, and the answer for a request that comes again.
func (s *Server) keep(ctx context.Context, tx db.Tx, d estate.Device, tmk hsm.Key, hash []byte, out answer) error {
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if d.Answer, err = s.cfg.Module.Seal(sealLabel(d.SN), text); err != nil {
		return err
	}
	d.State, d.Request, d.At, d.Tries = estate.Enrolled, hash, s.cfg.Now(), 0
	return estate.BindDevice(ctx, tx, d, tmk)
}

// describe is the record of a terminal.
func (s *Server) describe(ctx context.Context, tx db.Tx, t estate.Terminal) (answer, error) {
	m, err := estate.FindMerchant(ctx, tx, t.MID)
	if err != nil {
		return answer{}, err
	}
	p, err := estate.FindProfile(ctx, tx, t.TID)
	if err != nil {
		return answer{}, err
	}
	suite, err := s.cfg.Module.SuiteOf(hsm.TMK, t.TMK)
	if err != nil {
		return answer{}, err
	}
	return answer{Record: recordOf(t, m, p, string(suite)), Parameters: p.Parameters}, nil
}

// known is the terminal of the client certificate, if it is still the one that the terminal
// number is bound to. TLS has checked that the authority issued it, and its dates.
func (s *Server) known(r *http.Request, tx db.Tx) (estate.Terminal, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return estate.Terminal{}, fmt.Errorf("%w: no certificate", errTerminal)
	}
	subject := r.TLS.PeerCertificates[0].Subject
	t, err := estate.FindTerminal(r.Context(), tx, subject.CommonName)
	if err == nil {
		err = estate.CheckBinding(t, t.MID, subject.SerialNumber)
	}
	if errors.Is(err, estate.ErrNoTerminal) {
		return estate.Terminal{}, fmt.Errorf("%w: %w", errTerminal, err)
	}
	return t, err
}

// record tells a terminal what the host holds of it.
func (s *Server) record(r *http.Request) (out answer, err error) {
	err = s.cfg.DB.View(r.Context(), func(tx db.Tx) error {
		t, err := s.known(r, tx)
		if err != nil {
			return err
		}
		out, err = s.describe(r.Context(), tx, t)
		return err
	})
	return out, err
}

// renew gives a terminal its next certificate, for a key of its own choice.
func (s *Server) renew(r *http.Request) (out answer, err error) {
	var in renewRequest
	if err := read(r, &in); err != nil {
		return answer{}, err
	}
	err = s.cfg.DB.View(r.Context(), func(tx db.Tx) error {
		t, err := s.known(r, tx)
		if err != nil {
			return err
		}
		csr, err := estate.ParseRequest([]byte(in.CSR), t.SN)
		if err != nil {
			return err
		}
		if out, err = s.describe(r.Context(), tx, t); err != nil {
			return err
		}
		chain, err := s.cfg.CA.SignRequest(csr, t.TID, t.SN, s.cfg.Now())
		out.Certificate = string(chain)
		return err
	})
	return out, err
}
