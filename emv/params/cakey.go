package params

import (
	"bytes"
	"fmt"
	"slices"

	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// RSA is tag DF07 of a key that the kernel can use; SM2 is 04.
const RSA = 0x01

// CAKey is a public key of a scheme as the host sends it.
type CAKey struct {
	oda.CAKey
	Hash      byte // tag DF06: 01 SHA-1
	Algorithm byte // tag DF07: [RSA], or 04 for SM2
}

// ParseCAKey reads one key, the objects 9F06 9F22 DF05 DF06 DF07 DF02 DF04 DF03 in any
// order, and checks an RSA key: lengths, exponent, published checksum. The expiry (DF05)
// is eight characters, not packed digits.
func ParseCAKey(data []byte) (CAKey, error) {
	k := CAKey{Algorithm: RSA}
	copyTo := func(to *[]byte) func([]byte) error {
		return func(v []byte) error { *to = bytes.Clone(v); return nil }
	}
	err := readFields(data, []field{
		{tag.AIDTerminal, 5, 5, true, func(v []byte) error { copy(k.RID[:], v); return nil }},
		{tag.CAPublicKeyIndexTerminal, 1, 1, true, func(v []byte) error { k.Index = v[0]; return nil }},
		{tag.CAPublicKeyExpiry, 8, 8, true, func(v []byte) (err error) { k.Expires, err = date(v); return err }},
		{tag.CAHashAlgorithm, 1, 1, false, func(v []byte) error { k.Hash = v[0]; return nil }},
		{tag.CAPublicKeyAlgorithm, 1, 1, false, func(v []byte) error { k.Algorithm = v[0]; return nil }},
		{tag.CAPublicKeyModulus, 1, 248, true, copyTo(&k.Modulus)},
		{tag.CAPublicKeyExponent, 1, 3, false, copyTo(&k.Exponent)},
		{tag.CAPublicKeyCheckSum, 20, 32, false, copyTo(&k.SHA1)},
	})
	if err == nil && k.Algorithm == RSA {
		err = k.CAKey.Check()
	}
	if err != nil {
		return CAKey{}, fmt.Errorf("params: CA key %X index %02X: %w", k.RID, k.Index, err)
	}
	return k, nil
}

// Append writes the key as the host does.
func (k CAKey) Append(dst []byte) []byte {
	dst = k.name(dst)
	dst = tlv.Append(dst, tag.CAPublicKeyExpiry, k.Expires.AppendFormat(nil, "20060102"))
	dst = tlv.Append(dst, tag.CAHashAlgorithm, []byte{k.Hash})
	dst = tlv.Append(dst, tag.CAPublicKeyAlgorithm, []byte{k.Algorithm})
	dst = tlv.Append(dst, tag.CAPublicKeyModulus, k.Modulus)
	if len(k.Exponent) > 0 {
		dst = tlv.Append(dst, tag.CAPublicKeyExponent, k.Exponent)
	}
	if len(k.SHA1) > 0 {
		dst = tlv.Append(dst, tag.CAPublicKeyCheckSum, k.SHA1)
	}
	return dst
}

// name writes what a question names the key by.
func (k CAKey) name(dst []byte) []byte {
	dst = tlv.Append(dst, tag.AIDTerminal, k.RID[:])
	return tlv.Append(dst, tag.CAPublicKeyIndexTerminal, []byte{k.Index})
}

// parseKeyNames reads the answer to a question for keys: 9F06 9F22 DF05, again and again.
// A name is RID and index, 6 bytes.
func parseKeyNames(data []byte) (out [][]byte, err error) {
	return parseNames(data, tag.AIDTerminal, func(name []byte, obj tlv.Object) ([]byte, error) {
		switch obj.Tag {
		case tag.AIDTerminal:
			if len(obj.Value) != 5 {
				return nil, fmt.Errorf("%d bytes, 5 wanted", len(obj.Value))
			}
			return obj.Value, nil
		case tag.CAPublicKeyIndexTerminal:
			if len(obj.Value) != 1 || len(name) != 5 {
				return nil, fmt.Errorf("an index of %d bytes after a RID of %d", len(obj.Value), len(name))
			}
			return append(slices.Clip(name), obj.Value[0]), nil
		}
		return name, nil // the expiry
	}, 6)
}

// parseNames reads a list of names, each of which begins with the first tag and has a
// least length at its end.
func parseNames(data []byte, first tlv.Tag, read func(name []byte, obj tlv.Object) ([]byte, error), least int) (out [][]byte, err error) {
	var name []byte
	end := func() error {
		if name == nil {
			return nil
		}
		if len(name) < least || slices.ContainsFunc(out, func(b []byte) bool { return bytes.Equal(b, name) }) {
			return fmt.Errorf("name %X: incomplete, or there twice: %w", name, ErrFormat)
		}
		out, name = append(out, name), nil
		return nil
	}
	for rest := data; ; {
		at := len(data) - len(rest)
		obj, after, ok, err := tlv.Next(rest)
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w: %w", at, ErrFormat, err)
		}
		if !ok {
			return out, end()
		}
		rest = after
		if obj.Tag == first {
			if err := end(); err != nil {
				return nil, err
			}
		} else if name == nil {
			return nil, fmt.Errorf("tag %v at byte %d, before any %v: %w", obj.Tag, at, first, ErrFormat)
		}
		if name, err = read(name, obj); err != nil {
			return nil, fmt.Errorf("tag %v at byte %d: %w: %w", obj.Tag, at, ErrFormat, err)
		}
	}
}
