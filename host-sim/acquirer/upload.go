package acquirer

import (
	"context"
	"errors"
	"fmt"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/issuer"
	"posd/transport/iso8583"
)

// Sources of what was uploaded.
const (
	fromGroup  = "group"  // a line of a group of payments made online
	fromOne    = "one"    // a notice or an offline chip payment in full
	fromTC     = "tc"     // the certificate of a chip payment
	fromARPC   = "arpc"   // approved by the card although the issuer was not verified
	fromScript = "script" // result of issuer scripts
)

// uploaded is one payment as the terminal told of it again.
type uploaded struct {
	TID     string
	Batch   uint32
	STAN    uint32
	Source  string
	Kind    string // "sale", …, or "debit" and "credit" of a group's line; empty where not told
	PANHash []byte
	Masked  string
	Amount  int64
	ICC     []byte // sealed; empty for none
	Genuine string // of a certificate: "yes" or "no"; empty where there is none
}

// upload answers 0320. Whatever comes again is taken again and stored once.
func (d *Desk) upload(ctx context.Context, v *visit, m *iso8583.UploadRequest) ([]byte, error) {
	resp := &iso8583.UploadResponse{
		Function: m.Function, Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: m.STAN,
		Time: v.now.Format("150405"), Date: v.now.Format("0102"), SettleDate: v.now.Format("0102"), AcquirerID: d.cfg.AcquirerID,
		RRN: m.RRN, Code: codeApproved, Terminal: m.Terminal, Merchant: m.Merchant, Group: m.Group,
		Currency: m.Currency, Private: m.Private,
	}
	if m.Function == iso8583.EndBalanced || m.Function == iso8583.EndUnbalanced {
		resp.Count = m.Count
	}
	r, err := d.admit(ctx, v, sender{tid: m.Terminal, mid: m.Merchant, device: m.Device, pan: m.PAN, bare: m.PAN.IsZero()})
	if err == nil && !r.refused() {
		r, err = d.postUnsealed(ctx, func(tx db.Tx) (refusal, error) { return d.postUpload(ctx, tx, v, m) })
	}
	if err != nil {
		d.cfg.Log.Error("upload failed", "tid", m.Terminal, "stan", m.STAN, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	}
	if r.refused() {
		d.cfg.Log.Warn("upload refused", "tid", m.Terminal, "stan", m.STAN, "code", r.code, "why", r.why)
		resp.Code = r.code
	}
	return d.seal(v, resp)
}

func (d *Desk) postUpload(ctx context.Context, tx db.Tx, v *visit, m *iso8583.UploadRequest) (refusal, error) {
	s, err := findSettlement(ctx, tx, m.Terminal, m.Private.Batch)
	if errors.Is(err, errNoPayment) {
		return refusal{codeSignOn, "no settlement of this batch has begun"}, nil
	}
	if err != nil {
		return refusal{}, err
	}
	switch m.Function {
	case iso8583.UploadGroup:
		return refusal{}, d.uploadGroup(ctx, tx, v, s, m.Group)
	case iso8583.EndBalanced, iso8583.EndUnbalanced:
		return d.end(ctx, tx, v, s, m)
	case iso8583.TCBalanced, iso8583.TCUnbalanced:
		return d.uploadChip(ctx, tx, v, s, m, fromTC)
	case iso8583.FailedBalanced, iso8583.FailedUnbalanced:
		return d.uploadChip(ctx, tx, v, s, m, fromARPC)
	case 0:
		return refusal{}, d.keep(ctx, tx, v, s, d.uploadOf(s, m.STAN, fromOne, m.Type.String(), m.PAN, m.Amount), m.ICC)
	}
	return refusal{codeUnsupported, fmt.Sprintf("upload function %v is not served", m.Function)}, nil
}

func (d *Desk) uploadOf(s Settlement, stan uint32, source, kind string, pan emv.PAN, amount int64) uploaded {
	return uploaded{TID: s.TID, Batch: s.Batch, STAN: stan, Source: source, Kind: kind, PANHash: d.cfg.Module.PANHash(pan), Masked: pan.Masked(), Amount: amount}
}

func (d *Desk) uploadGroup(ctx context.Context, tx db.Tx, v *visit, s Settlement, group []iso8583.Detail) error {
	for _, line := range group {
		kind := "debit"
		if line.Side == iso8583.CreditSide {
			kind = "credit"
		}
		if err := d.keep(ctx, tx, v, s, d.uploadOf(s, line.STAN, fromGroup, kind, line.PAN, line.Amount), nil); err != nil {
			return err
		}
	}
	return nil
}

// uploadChip keeps a card's certificate with its payment, and has the issuer look at it.
// Whether it is right is no reason to refuse it: the terminal can send no other.
func (d *Desk) uploadChip(ctx context.Context, tx db.Tx, v *visit, s Settlement, m *iso8583.UploadRequest, source string) (refusal, error) {
	u := d.uploadOf(s, m.STAN, source, "", m.PAN, m.Amount)
	genuine, err := d.cfg.Issuer.Certificate(ctx, tx, issuer.Request{PAN: m.PAN, PSN: m.PANSequence, ICC: m.ICC, At: v.now})
	if err != nil {
		return refusal{}, err
	}
	u.Genuine = "no"
	if genuine {
		u.Genuine = "yes"
	}
	if err := d.keep(ctx, tx, v, s, u, m.ICC); err != nil {
		return refusal{}, err
	}
	x := Difference{TID: s.TID, Batch: s.Batch, STAN: u.STAN, At: v.now, Terminal: source, Host: "certificate genuine: " + u.Genuine}
	switch {
	case source == fromARPC:
		x.Kind = DiffARPC
	case !genuine:
		x.Kind = DiffCertificate
	default:
		return refusal{}, nil
	}
	return refusal{}, d.noteDifference(ctx, tx, x)
}

// keep stores what was uploaded once. The terminal's last word counts until the end; what
// changes after it is a difference.
func (d *Desk) keep(ctx context.Context, tx db.Tx, v *visit, s Settlement, u uploaded, icc []byte) (err error) {
	old, found, err := findUpload(ctx, tx, u)
	switch {
	case err != nil:
		return err
	case found && old.same(u):
		return count(ctx, tx, repeated)
	case s.State == closed:
		return d.noteDifference(ctx, tx, Difference{
			TID: u.TID, Batch: u.Batch, STAN: u.STAN, Kind: DiffUpload, Terminal: u.String(), Host: old.String(), At: v.now,
		})
	}
	if len(icc) > 0 {
		if u.ICC, err = d.cfg.Module.Seal(uploadLabel(u), icc); err != nil {
			return err
		}
	}
	return saveUpload(ctx, tx, u, v.now)
}

func uploadLabel(u uploaded) string {
	return fmt.Sprintf("upload %s %06d %06d %s", u.TID, u.Batch, u.STAN, u.Source)
}

func (u uploaded) same(o uploaded) bool {
	return u.Kind == o.Kind && u.Amount == o.Amount && string(u.PANHash) == string(o.PANHash) && u.Genuine == o.Genuine
}

// String says what was uploaded, empty for nothing.
func (u uploaded) String() string {
	if u.Source == "" {
		return ""
	}
	return fmt.Sprintf("%s %s %s %d", u.Source, u.Kind, u.Masked, u.Amount)
}

// end closes the batch, once.
func (d *Desk) end(ctx context.Context, tx db.Tx, v *visit, s Settlement, m *iso8583.UploadRequest) (refusal, error) {
	if s.State == closed {
		return refusal{}, count(ctx, tx, repeated)
	}
	return refusal{}, d.closeBatch(ctx, tx, v, s, uint16(m.Function), m.Count)
}

// compareUploads holds what was uploaded, one by one, against the host's payments. What the
// host has and the terminal did not tell of counts only for cards whose totals differ: of
// the others it had no reason to.
func (d *Desk) compareUploads(ctx context.Context, tx db.Tx, s Settlement) error {
	ups, err := uploadsOf(ctx, tx, s.TID, s.Batch)
	if err != nil {
		return err
	}
	payments, err := ofBatch(ctx, tx, s.TID, s.Batch)
	if err != nil {
		return err
	}
	said := make(map[uint32]uploaded, len(ups))
	details := 0
	for _, u := range ups {
		if u.Source == fromGroup || u.Source == fromOne {
			said[u.STAN] = u
			details++
		}
	}
	var found []Difference
	for _, p := range payments {
		u, told := said[p.STAN]
		delete(said, p.STAN)
		if kind := differ(s, p, u, told); kind != "" {
			found = append(found, Difference{STAN: p.STAN, Kind: kind, Terminal: u.String(), Host: fmt.Sprintf("%s %s %d %s", p.Kind, p.Masked, p.Amount, p.State)})
		}
	}
	for _, u := range ups { // in their order, so that runs are alike
		if _, left := said[u.STAN]; left {
			found = append(found, Difference{STAN: u.STAN, Kind: DiffMissingHost, Terminal: u.String()})
			delete(said, u.STAN)
		}
	}
	if details != s.EndCount {
		found = append(found, Difference{Kind: DiffCount, Terminal: fmt.Sprint(s.EndCount), Host: fmt.Sprint(details)})
	}
	for _, x := range found {
		x.TID, x.Batch, x.At = s.TID, s.Batch, s.Ended
		if err := d.noteDifference(ctx, tx, x); err != nil {
			return err
		}
	}
	return nil
}

// differ says what differs between a payment of the host and what the terminal told of
// it, or "" for nothing.
func differ(s Settlement, p payment, u uploaded, told bool) string {
	side, verdict := sideOf(p), s.Domestic
	if p.Foreign {
		verdict = s.Foreign
	}
	rule, _ := byName(p.Kind)
	counts := counted(p) && (side != 0 || rule.here && rule.late) // an adjustment counts too
	switch {
	case !told && counts && verdict == unbalanced:
		return DiffMissingTerminal
	case !told:
		return ""
	case !counts:
		return DiffMissingHost
	case string(u.PANHash) != string(p.PANHash):
		return DiffCard
	case u.Amount != p.Amount:
		return DiffAmount
	case u.Source == fromGroup && (u.Kind == "credit") != (side < 0), u.Source == fromOne && u.Kind != p.Kind:
		return DiffSide
	}
	return ""
}
