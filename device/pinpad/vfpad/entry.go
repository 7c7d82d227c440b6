package vfpad

import (
	"context"
	"errors"
	"fmt"

	"posd/device"
)

// EnterPIN selects the master key and has a PIN entered. Errors: device.ErrBypassed,
// device.ErrCancelled (cancel key, or nobody pressed a key in time), device.ErrRefused
// with the pad's reason, ctx's error after the entry was cancelled at the pad, and those
// of a line.
func (p *Pad) EnterPIN(ctx context.Context, req device.PINRequest) (device.PINBlock, error) {
	sealed, err := p.masterSession(ctx, req, formats["01"])
	if err != nil {
		return device.PINBlock{}, fmt.Errorf("vfpad: enter PIN: %w", err)
	}
	return device.PINBlock{Block: [8]byte(sealed.Block), Digits: sealed.Digits}, nil
}

// EnterFormat4 is EnterPIN for a pad with AES master keys.
func (p *Pad) EnterFormat4(ctx context.Context, req device.PINRequest) (device.SealedPIN, error) {
	sealed, err := p.masterSession(ctx, req, format{4, p.cfg.Format4, 16})
	if err != nil {
		return device.SealedPIN{}, fmt.Errorf("vfpad: enter PIN of format 4: %w", err)
	}
	return sealed, nil
}

func (p *Pad) masterSession(ctx context.Context, req device.PINRequest, f format) (sealed device.SealedPIN, err error) {
	request, err := p.sessionFrame(req)
	defer clear(request)
	if err != nil {
		return sealed, err
	}
	if err := p.selectKey(ctx, req.Slot); err != nil {
		return sealed, fmt.Errorf("select master key %d: %w", req.Slot, err)
	}
	answer, err := p.entry(ctx, req.Prompt, request, "71")
	defer clear(answer)
	if err != nil {
		return sealed, err
	}
	return readSession(answer, f, limits{req.MinDigits, req.MaxDigits, req.AllowBypass})
}

// EnterDUKPT has a PIN entered under a key that is used once. Errors as in EnterPIN.
func (p *Pad) EnterDUKPT(ctx context.Context, req device.DUKPTRequest) (device.SealedPIN, error) {
	sealed, err := p.enterDUKPT(ctx, req)
	if err != nil {
		return device.SealedPIN{}, fmt.Errorf("vfpad: enter PIN: %w", err)
	}
	return sealed, nil
}

func (p *Pad) enterDUKPT(ctx context.Context, req device.DUKPTRequest) (sealed device.SealedPIN, err error) {
	request, err := p.dukptFrame(req)
	defer clear(request)
	if err != nil {
		return sealed, err
	}
	if err := p.SelectKeySet(ctx, req.KeySet); err != nil {
		return sealed, err
	}
	answer, err := p.entry(ctx, req.Prompt, request, "71", "73")
	defer clear(answer)
	if err != nil {
		return sealed, err
	}
	return readDUKPT(answer, req.AllowBypass)
}

// TestDUKPT has the pad encipher the PIN 1234 for the card number and the amount, as if it
// had been entered: message 76. It uses up one key of the set.
func (p *Pad) TestDUKPT(ctx context.Context, req device.DUKPTRequest) (sealed device.SealedPIN, err error) {
	request, err := testFrame(req)
	defer clear(request)
	if err == nil {
		err = p.SelectKeySet(ctx, req.KeySet)
	}
	var answer []byte
	if err == nil {
		answer, err = p.waitFor(ctx, request, "71")
		defer clear(answer)
	}
	if err == nil {
		sealed, err = readDUKPT(answer, false)
	}
	if err != nil {
		return device.SealedPIN{}, fmt.Errorf("vfpad: test DUKPT: %w", err)
	}
	return sealed, nil
}

// entry shows the prompt where the message has none, and asks for the PIN.
func (p *Pad) entry(ctx context.Context, prompt string, request []byte, ids ...string) ([]byte, error) {
	if p.cfg.Entry == EntryZ60 {
		if err := p.promptFor(ctx, prompt); err != nil {
			return nil, fmt.Errorf("show the prompt: %w", err)
		}
	}
	return p.waitFor(ctx, request, ids...)
}

func (p *Pad) promptFor(ctx context.Context, prompt string) error {
	if p.cfg.PINPrompt != 0 {
		return p.send(ctx, mustFrame(stx, fmt.Sprintf("Z2\x1E%03d\x1A", p.cfg.PINPrompt)))
	}
	text := printable(prompt)
	return p.send(ctx, mustFrame(stx, "Z2\x1A"+text[:min(len(text), maxShown)]))
}

// waitFor sends a request to the cardholder and returns the answer, acknowledged. However
// it breaks off, the pad is told to stop.
func (p *Pad) waitFor(ctx context.Context, request []byte, ids ...string) ([]byte, error) {
	limit, cancel := context.WithTimeout(ctx, p.cfg.EntryTime)
	defer cancel()
	err := p.send(limit, request)
	var answer []byte
	if err == nil {
		answer, err = p.receive(limit, ids...)
	}
	switch {
	case errors.Is(err, errEOT):
		return nil, fmt.Errorf("%w: cancel key, or no key in the pad's time", device.ErrCancelled)
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrRefused):
		return nil, err
	case err != nil:
		return nil, p.breakOff(ctx, limit, err)
	}
	return answer, p.control(ctx, ack)
}

// breakOff cancels at the pad and says why the entry ended. What a pad sent before its
// answer to 72 is thrown away on the way to it.
func (p *Pad) breakOff(ctx, limit context.Context, cause error) error {
	_, err := p.handshake(context.WithoutCancel(ctx), mustFrame(stx, "72"))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limit.Err() == nil:
		return cause
	case err != nil:
		return err // the entry was over its time, and the pad does not answer
	}
	return fmt.Errorf("%w: nobody in %v", device.ErrCancelled, p.cfg.EntryTime)
}
