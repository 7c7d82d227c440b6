package kernel

import (
	"context"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// minScriptLimit is what every terminal supports, all scripts of an answer together.
// EMV 4.4 Book 3, 10.10.
const minScriptLimit = 128

// scriptBefore and scriptAfter run the issuer's scripts before and after the final
// GENERATE AC. EMV 4.4 Book 3, 10.10.
func (s *session) scriptBefore(ctx context.Context) (Phase, error) {
	return Completing, s.runScripts(ctx, tag.IssuerScriptTemplate1, emv.ScriptFailedBeforeGAC2)
}

func (s *session) scriptAfter(ctx context.Context) (Phase, error) {
	return Done, s.runScripts(ctx, tag.IssuerScriptTemplate2, emv.ScriptFailedAfterGAC2)
}

// runScripts runs each script of one template. One that fails does not keep the next
// from running; a card that no longer answers does.
func (s *session) runScripts(ctx context.Context, template tlv.Tag, failedBit emv.TVR) error {
	for _, sc := range findScripts(s.online.icc, template, s.cfg.ScriptLimit) {
		s.tsi |= emv.ScriptProcessingApplied
		result, err := s.runScript(ctx, sc)
		s.scripts = append(s.scripts, result[:]...)
		if result[0]&0xF0 != scriptDone {
			s.tvr |= failedBit
		}
		if err != nil {
			return s.excuse(err)
		}
	}
	return nil
}

// excuse returns the error of a script that could not be sent, if it is to end the
// session. A bound that was reached never is: the issuer sent too much, and its scripts
// have failed. A card that is gone is one only before the final GENERATE AC: after it
// the payment is what it is.
func (s *session) excuse(err error) error {
	var b breach
	if s.phase == ScriptingAfter || errors.As(err, &b) {
		return nil
	}
	return err
}

// script is one template 71 or 72. A script with nothing but its defect is not run.
type script struct {
	id       [4]byte // tag 9F18, or zeros
	commands [][]byte
	defect   error
}

// Values of the high half of byte 1 of a script result. EMV 4.4 Book 4, Annex A5.
const (
	scriptNotPerformed = 0x00
	scriptFailed       = 0x10
	scriptDone         = 0x20
)

// findScripts returns the scripts of one template in the order of the issuer's answer.
// The limit counts the bytes of all scripts of the answer; one that goes over it is not
// run, nor is one that the answer cuts off.
func findScripts(answer []byte, template tlv.Tag, limit int) []script {
	var out []script
	spent := 0
	for len(answer) > 0 {
		obj, rest, ok, err := tlv.Next(answer)
		if err != nil {
			if tlv.Tag(answer[0]) == template {
				out = append(out, script{defect: err})
			}
			return out
		}
		if !ok {
			return out
		}
		if obj.Tag == tag.IssuerScriptTemplate1 || obj.Tag == tag.IssuerScriptTemplate2 {
			spent += len(answer) - len(rest)
		}
		if obj.Tag == template {
			sc := parseScript(obj.Value)
			if spent > limit {
				sc.defect = fmt.Errorf("scripts of %d bytes, %d are supported", spent, limit)
			}
			out = append(out, sc)
		}
		answer = rest
	}
	return out
}

// parseScript reads one script: an identifier, then commands, and nothing else.
func parseScript(content []byte) script {
	var sc script
	for obj, err := range tlv.All(content) {
		switch {
		case err != nil:
			sc.defect = err
		case obj.Tag == tag.IssuerScriptIdentifier && len(obj.Value) == len(sc.id) && sc.commands == nil:
			copy(sc.id[:], obj.Value)
		case obj.Tag == tag.IssuerScriptCommand:
			sc.commands = append(sc.commands, obj.Value)
		default:
			sc.defect = fmt.Errorf("tag %v of %d bytes in a script", obj.Tag, len(obj.Value))
		}
	}
	return sc
}

// runScript sends the commands one by one and returns the script's result: 5 bytes,
// the first saying what became of it. EMV 4.4 Book 4, Annex A5.
func (s *session) runScript(ctx context.Context, sc script) ([5]byte, error) {
	if sc.defect != nil {
		return scriptResult(scriptNotPerformed, 0, sc.id), nil
	}
	for i, raw := range sc.commands {
		cmd, err := apdu.ParseCommand(raw)
		if err != nil {
			return scriptResult(scriptFailed, i+1, sc.id), nil
		}
		resp, err := s.transmit(ctx, cmd)
		if err != nil {
			return scriptResult(scriptFailed, i+1, sc.id), err
		}
		if resp.SW>>8 != 0x90 && !resp.SW.Warning() {
			return scriptResult(scriptFailed, i+1, sc.id), nil
		}
	}
	return scriptResult(scriptDone, 0, sc.id), nil
}

// scriptResult packs a result; from the fifteenth command on the number is F.
func scriptResult(what byte, command int, id [4]byte) [5]byte {
	return [5]byte{what | byte(min(command, 0x0F)), id[0], id[1], id[2], id[3]}
}
