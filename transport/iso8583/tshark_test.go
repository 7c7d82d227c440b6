package iso8583

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestSecondOpinion shows frames of ours to Wireshark's dissector of ISO 8583-1, which
// shares no code and no table with us. It reads from the message type on. It has the
// standard's own idea of some fields, which UnionPay does otherwise, so it is not asked
// about them: 22 (it aligns to the right), 35 (it knows no D), 48 and what follows it (it
// takes a character for a byte), 53 to 63.
func TestSecondOpinion(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: no second opinion")
	}
	sale := goldens(t)["sale-request"]
	for _, row := range []struct {
		name    string
		message Message
		want    map[string]string
	}{
		{"sale request", sale.message, map[string]string{
			"2": "6277000000000017", "3": "000000", "4": "000000001200", "11": "000042", "14": "3012",
			"23": "001", "25": "00", "26": "12",
		}},
		{"sale response", goldens(t)["sale-response"].message, map[string]string{
			"2": "6277000000000017", "3": "000000", "4": "000000001200", "11": "000042", "12": "235959",
			"13": "1123", "14": "3012", "15": "1124", "23": "001", "25": "00", "32": "00010000",
			"37": "112323595901", "38": "A1B2C3", "39": "00", "41": terminal, "42": merchant,
			"44": "01020000   48021000   ", "49": "156",
		}},
		{"tip adjustment", goldens(t)["tip-adjust-request"].message, map[string]string{
			"2": "6277000000000017", "3": "000000", "4": "000000001400", "11": "000047", "25": "00",
			"37": "112323595901", "41": terminal, "42": merchant,
		}},
		{"balance response", goldens(t)["balance-response"].message, map[string]string{
			"3": "310000", "11": "000049", "12": "101112", "13": "1123", "39": "00", "49": "156",
		}},
		{"completion request", goldens(t)["completion-request"].message, map[string]string{
			"2": "6277000000000017", "4": "000000011000", "14": "3012", "23": "001", "25": "06", "38": "A1B2C3", "49": "156",
		}},
		{"settlement request", goldens(t)["settlement-request"].message, map[string]string{
			"11": "000060", "41": terminal, "42": merchant,
		}},
		{"settlement response", goldens(t)["settlement-response"].message, map[string]string{
			"11": "000060", "12": "220000", "13": "1123", "15": "1124", "32": "48021000", "37": "112322000000",
			"39": "00", "41": terminal, "42": merchant,
		}},
		{"upload of a group", goldens(t)["upload-group-request"].message, map[string]string{
			"11": "000061", "41": terminal, "42": merchant,
		}},
		{"upload of a notice", goldens(t)["upload-notice-request"].message, map[string]string{
			"2": "6277000000000017", "3": "200000", "4": "000000001200", "11": "000045", "25": "00", "49": "156",
		}},
		{"upload of a TC", goldens(t)["upload-tc-request"].message, map[string]string{
			"2": "6277000000000017", "4": "000000001200", "11": "000042", "14": "3012", "23": "001", "49": "156",
		}},
		{"script notice", goldens(t)["script-request"].message, map[string]string{
			"2": "6277000000000017", "3": "000000", "4": "000000001200", "11": "000042", "14": "3012", "23": "001",
			"25": "00", "32": "48021000", "37": "112323595901", "38": "A1B2C3", "41": terminal, "42": merchant, "49": "156",
		}},
		{"script response", goldens(t)["script-response"].message, map[string]string{
			"3": "000000", "4": "000000001200", "11": "000042", "12": "235959", "13": "1123", "37": "112323595901", "39": "00",
		}},
		{"sign-on request", goldens(t)["sign-on-request"].message, map[string]string{
			"11": "000001", "41": terminal, "42": merchant,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			frame, err := CUP().Append(nil, request, row.message)
			if err != nil {
				t.Fatal(err)
			}
			got := dissect(t, tshark, frame[headerLength:])
			for field, want := range row.want {
				if got[field] != want {
					t.Errorf("field %s: tshark reads %q, want %q", field, got[field], want)
				}
			}
		})
	}
}

var bitLine = regexp.MustCompile(`(?m)^ *Bit (\d+): (.*)$`)

// dissect returns what tshark prints for each field.
func dissect(t *testing.T, tshark string, message []byte) map[string]string {
	t.Helper()
	framed, err := AppendFrame(nil, message)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "frame.pcap")
	if err := os.WriteFile(file, capture(framed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-r", file, "-d", "tcp.port==8583,iso8583",
		"-o", "iso8583.len_endian:Big endian", "-o", "iso8583.charset:Digits represented in nibbles",
		"-o", "iso8583.binencode:Bin data not encoded", "-O", "iso8583").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	fields := make(map[string]string)
	for _, m := range bitLine.FindAllStringSubmatch(string(out), -1) {
		fields[m[1]] = m[2]
	}
	return fields
}

// capture is a file in libpcap's classic format with one TCP segment to port 8583.
func capture(payload []byte) []byte {
	const rawIP = 101
	size := 20 + 20 + len(payload)
	out := binary.LittleEndian.AppendUint32(nil, 0xA1B2C3D4)
	for _, v := range []uint32{4<<16 | 2, 0, 0, 65535, rawIP, 0, 0, uint32(size), uint32(size)} {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	for _, v := range []uint16{
		0x4500, uint16(size), 1, 0, 64<<8 | 6, 0, 0x7F00, 1, 0x7F00, 1, // IPv4, loopback
		40000, 8583, 0, 1, 0, 1, 5<<12 | 0x18, 65535, 0, 0, // TCP, PSH and ACK
	} {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return bytes.Join([][]byte{out, payload}, nil)
}
