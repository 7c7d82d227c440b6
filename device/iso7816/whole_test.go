package iso7816_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"posd/device"
	"posd/device/iso7816"
)

func TestWhole(t *testing.T) {
	type step struct{ command, response []byte }
	selectFile := []byte{0, 0xA4, 4, 0, 2, 0x3F, 0, 0}
	read := []byte{0, 0xB2, 1, 0x0C, 0}
	for _, row := range []struct {
		name    string
		command []byte
		steps   []step
		want    []byte
		err     error
	}{
		{"a plain answer", read, []step{{read, []byte{7, 0x90, 0}}}, []byte{7, 0x90, 0}, nil},
		{"a refusal", read, []step{{read, []byte{0x6A, 0x88}}}, []byte{0x6A, 0x88}, nil},
		{
			"61xx: GET RESPONSE", selectFile,
			[]step{{selectFile, []byte{0x61, 2}}, {[]byte{0, 0xC0, 0, 0, 2}, []byte{8, 9, 0x90, 0}}},
			[]byte{8, 9, 0x90, 0},
			nil,
		},
		{
			"61xx with data, and once more", selectFile,
			[]step{
				{selectFile, []byte{1, 0x61, 1}},
				{[]byte{0, 0xC0, 0, 0, 1}, []byte{2, 0x61, 1}},
				{[]byte{0, 0xC0, 0, 0, 1}, []byte{3, 0x90, 0}},
			},
			[]byte{1, 2, 3, 0x90, 0},
			nil,
		},
		{
			"6Cxx: again with that length", read,
			[]step{{read, []byte{0x6C, 1}}, {[]byte{0, 0xB2, 1, 0x0C, 1}, []byte{5, 0x90, 0}}},
			[]byte{5, 0x90, 0},
			nil,
		},
		{
			"6Cxx in case 4: Le is changed, data stays", selectFile,
			[]step{{selectFile, []byte{0x6C, 1}}, {[]byte{0, 0xA4, 4, 0, 2, 0x3F, 0, 1}, []byte{5, 0x90, 0}}},
			[]byte{5, 0x90, 0},
			nil,
		},
		{"61xx beyond what was asked for", []byte{0, 0xB2, 1, 0x0C, 1}, []step{{[]byte{0, 0xB2, 1, 0x0C, 1}, []byte{5, 0x61, 9}}}, []byte{5, 0x90, 0}, nil},
		{"6Cxx where no data was asked for is an answer", []byte{0, 0x70, 0, 0}, []step{{[]byte{0, 0x70, 0, 0}, []byte{0x6C, 1}}}, []byte{0x6C, 1}, nil},
		{"no status word", read, []step{{read, []byte{0x90}}}, nil, device.ErrProtocol},
		{"longer than an answer can be", read, []step{{read, append(make([]byte, 257), 0x90, 0)}}, nil, device.ErrProtocol},
	} {
		t.Run(row.name, func(t *testing.T) {
			sent := slices.Clone(row.command)
			got, err := iso7816.Whole(t.Context(), sent, func(_ context.Context, command []byte) ([]byte, error) {
				if len(row.steps) == 0 {
					t.Fatalf("sent % X, where the exchange was over", command)
				}
				s := row.steps[0]
				row.steps = row.steps[1:]
				if !bytes.Equal(command, s.command) {
					t.Errorf("sent % X, want % X", command, s.command)
				}
				return s.response, nil
			})
			if !bytes.Equal(got, row.want) || !errors.Is(err, row.err) {
				t.Errorf("got % X, %v; want % X, %v", got, err, row.want, row.err)
			}
			if len(row.steps) > 0 {
				t.Errorf("%d commands were not sent", len(row.steps))
			}
			if !bytes.Equal(sent, row.command) {
				t.Errorf("the caller's command became % X", sent)
			}
		})
	}
}

func TestWholeEndsWithACardThatRepeatsItself(t *testing.T) {
	for _, answer := range [][]byte{{0x61, 1}, {0x6C, 1}} {
		sent := 0
		_, err := iso7816.Whole(t.Context(), []byte{0, 0xB2, 1, 0x0C, 0}, func(context.Context, []byte) ([]byte, error) {
			sent++
			return answer, nil
		})
		if !errors.Is(err, device.ErrProtocol) || sent > 32 {
			t.Errorf("% X: %v after %d commands", answer, err, sent)
		}
	}
}
