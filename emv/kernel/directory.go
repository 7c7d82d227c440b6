package kernel

import (
	"bytes"
	"context"
	"fmt"

	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// pse is the name of the payment system environment. EMV 4.4 Book 1, 12.2.2.
var pse = []byte("1PAY.SYS.DDF01")

// maxDirectory bounds the records of a directory.
const maxDirectory = 64

// readPSE builds the list from the card's directory. Anything wrong with the directory
// leaves the list empty, and the terminal's own AIDs are tried instead.
// EMV 4.4 Book 1, 12.3.2.
func (s *session) readPSE(ctx context.Context) error {
	resp, err := s.transmit(ctx, apdu.Select(pse, false))
	switch {
	case err != nil:
		return err
	case resp.SW == apdu.FunctionNotSupported:
		s.listed.blocked = true
		return nil
	case resp.SW != apdu.OK:
		return nil
	}
	f, err := parseFCI(resp.Data)
	sfi := f.get(tag.SFI)
	if err != nil || !bytes.Equal(f.name, pse) || len(sfi) != 1 || sfi[0] < 1 || sfi[0] > 10 {
		return nil
	}
	s.listed.list, err = s.readDirectory(ctx, sfi[0], f)
	return err
}

// entry is one ADF of a directory record.
type entry struct {
	aid, label, preferred, priority []byte
}

// readDirectory returns the candidates of the directory file, none if a record is not as
// it should be.
func (s *session) readDirectory(ctx context.Context, sfi byte, directory fci) ([]listed, error) {
	var found listing
	for record := 1; record <= maxDirectory; record++ {
		resp, err := s.transmit(ctx, apdu.ReadRecord(sfi, byte(record)))
		switch {
		case err != nil:
			return nil, err
		case resp.SW == apdu.RecordNotFound:
			return found.list, nil
		case resp.SW != apdu.OK:
			return nil, nil
		}
		if err := parseDirectory(resp.Data, func(e entry) { s.admit(&found, e, directory) }); err != nil {
			return nil, nil
		}
	}
	return nil, nil
}

// parseDirectory reads one record: template 70 with one or more templates 61. An entry
// that names another directory (9D) is passed over: EMV 4.4 knows none.
func parseDirectory(data []byte, take func(entry)) error {
	content, err := tlv.Template(data, tag.ReadRecordTemplate)
	if err != nil {
		return err
	}
	templates := 0
	for obj, err := range tlv.All(content) {
		switch {
		case err != nil:
			return err
		case obj.Tag != tag.ApplicationTemplate:
			continue
		}
		templates++
		if _, directory := tlv.Find(obj.Value, tag.DDFName); directory {
			continue
		}
		e, err := parseEntry(obj.Value)
		if err != nil {
			return err
		}
		take(e)
	}
	if templates == 0 {
		return fmt.Errorf("directory record without template %v", tag.ApplicationTemplate)
	}
	return nil
}

func parseEntry(content []byte) (entry, error) {
	if err := tlv.Check(content); err != nil {
		return entry{}, err
	}
	var e entry
	for obj := range tlv.All(content) {
		switch obj.Tag {
		case tag.ADFName:
			e.aid = obj.Value
		case tag.ApplicationLabel:
			e.label = obj.Value
		case tag.ApplicationPreferredName:
			e.preferred = obj.Value
		case tag.ApplicationPriorityIndicator:
			e.priority = obj.Value
		}
	}
	if len(e.aid) < 5 || len(e.aid) > 16 || len(e.label) < 1 || len(e.label) > 16 {
		return entry{}, fmt.Errorf("directory entry with an AID of %d and a label of %d bytes", len(e.aid), len(e.label))
	}
	return e, nil
}

// admit puts an entry on the list if the terminal has an application for it and the list
// has it not yet.
func (s *session) admit(found *listing, e entry, directory fci) {
	app := s.match(e.aid)
	if app == nil || found.has(e.aid) {
		return
	}
	c := listed{app: app, Candidate: Candidate{AID: e.aid, Languages: string(directory.get(tag.LanguagePreference))}}
	c.describe(e.label, e.priority)
	c.prefer(s.terminal, e.preferred, directory.get(tag.IssuerCodeTableIndex))
	found.add(c)
}

// match is point 9: the terminal's application for a card's AID, which is equal to the
// terminal's, or begins with it where that is allowed; the longest wins.
func (s *session) match(aid []byte) *Application {
	var best *Application
	for i := range s.cfg.Applications {
		app := &s.cfg.Applications[i]
		fits := bytes.Equal(aid, app.AID) || app.Partial && bytes.HasPrefix(aid, app.AID)
		if fits && (best == nil || len(app.AID) > len(best.AID)) {
			best = app
		}
	}
	return best
}
