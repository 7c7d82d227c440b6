package dukpt_test

import (
	"errors"
	"math/bits"
	"testing"

	"posd/emv/dukpt"
)

// The published examples: ANSI X9.24-3:2017, Annex B, and its supplement of test vectors
// (X9.24-3-2017-Test-Vectors-20180129).
const (
	aesBDK  = "FEDCBA9876543210F1F1F1F1F1F1F1F1"
	aes256  = "FEDCBA9876543210F1F1F1F1F1F1F1F1FEDCBA9876543210F1F1F1F1F1F1F1F1"
	initial = "1273671EA26AC29AFA4D1084127652A1"
	longest = "CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F"
)

var aesID = [8]byte{0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56}

func aesKSN(counter uint32) dukpt.AESKSN {
	var k dukpt.AESKSN
	copy(k[:], aesID[:])
	return k.WithCounter(counter)
}

func TestAESInitialKey(t *testing.T) {
	for base, want := range map[string]string{aesBDK: initial, aes256: longest} {
		got, err := dukpt.AESInitialKey(unhex(t, base), aesID)
		if err != nil || upper(got) != want {
			t.Errorf("of a BDK of %d digits: %s, %v", len(base), upper(got), err)
		}
	}
}

// Usage 0 stands for the intermediate derivation key, which no transaction gives away.
var workingKeys = []struct {
	from    string
	counter uint32
	usage   dukpt.KeyUsage
	t       dukpt.KeyType
	want    string
}{
	{initial, 1, dukpt.PINEncryption, dukpt.AES128, "AF8CB133A78F8DC2D1359F18527593FB"},
	{initial, 1, dukpt.MACGeneration, dukpt.AES128, "A2DC23DE6FDE0824A2BC321E08E4B8B7"},
	{initial, 1, dukpt.MACVerification, dukpt.AES128, "DBB463945B286C07CD3AD82EE96FD9C9"},
	{initial, 1, dukpt.MACBothWays, dukpt.AES128, "85675439D18D7F1158BD8E3EAA3D502B"},
	{initial, 1, dukpt.DataEncryption, dukpt.AES128, "A35C412EFD41FDB98B69797C02DCD08F"},
	{initial, 1, dukpt.DataDecryption, dukpt.AES128, "16292C6EA8F64C5420A0584BFBC577BE"},
	{initial, 1, dukpt.DataBothWays, dukpt.AES128, "A308E080DD15A1B741F1721BF67DE11C"},
	{initial, 1, dukpt.KeyEncryption, dukpt.AES128, "36A724B7BEFA5A25F5E7B5782A4554A2"},
	{initial, 2, dukpt.PINEncryption, dukpt.AES128, "D30BDC73EC9714B000BEC66BDB7B6D09"},
	{initial, 3, dukpt.PINEncryption, dukpt.AES128, "7D69F01F3B45449F62C7816ECE723268"},
	{initial, 4, dukpt.PINEncryption, dukpt.AES128, "91A0588318EC2673214271F70137896E"},
	{initial, 5, dukpt.PINEncryption, dukpt.AES128, "35A43BC9EFEB09C756204B57E3FB7D4D"},
	{initial, 6, dukpt.PINEncryption, dukpt.AES128, "02DCC6CD1201A3A2CA7099559C862123"},
	{initial, 7, dukpt.PINEncryption, dukpt.AES128, "6ECF912F3B18CA11A7A27BB60705FD09"},
	{initial, 8, dukpt.PINEncryption, dukpt.AES128, "4D9DF3FBEE3448FC3E676D04320A90F5"},
	{initial, 8, dukpt.MACGeneration, dukpt.AES128, "6FD572E5D59E618875F193484F9178FB"},
	{initial, 8, dukpt.DataEncryption, dukpt.AES128, "650F34204ABD4E57764D61AC3D266FB1"},
	{initial, 0x20000, dukpt.PINEncryption, dukpt.AES128, "AB828BE7B58C7EC5D5ED0D5D320A0C9D"},
	{initial, 0x845FED, dukpt.PINEncryption, dukpt.AES128, "D1DDA386AA4A556AF0119FDCB5D132C6"},
	{initial, 1, dukpt.PINEncryption, dukpt.TDEA2, "630C706D9546E47D4449313F61C4D4AB"},
	{initial, 1, dukpt.MACGeneration, dukpt.TDEA2, "5D8FD787E8A796D07035FFCA9B5800BB"},
	{initial, 1, dukpt.DataEncryption, dukpt.TDEA2, "BD44121C223F831446A01EE3A4CB58D2"},
	{initial, 1, dukpt.PINEncryption, dukpt.TDEA3, "EA8B3F37EB9B15831167EF2977FD8762D9B5913F35766F6A"},
	{initial, 1, dukpt.MACGeneration, dukpt.TDEA3, "2A1061A6EAC2C14FAC3758EA07B3648A624B24E942785BF1"},
	{initial, dukpt.UpdateCounter, dukpt.KeyEncryption, dukpt.AES128, "9A9770AEE1ACD1B13473D0463A1883B9"},
	{longest, 1, dukpt.PINEncryption, dukpt.AES256, "8C1AB7BEE973829E30242E0BBBDD4946D540C98FC1B5BDCF94790001A23FD502"},
	{longest, 1, dukpt.MACGeneration, dukpt.AES256, "61DABDF4B340CF461EE860B1D1AB55357142BD2D6977306859CF49AEFE8F1549"},
	{longest, 1, dukpt.DataEncryption, dukpt.AES256, "71EB36C9A6B7F801D1D1700C29741FC5A5C4E9B45D742DA7AF6992B8AA29AF58"},
	{longest, 2, dukpt.PINEncryption, dukpt.AES256, "3583D6CD02FC38822CC71A8D7678E04F4A8556335E6CC66863D3DADC5AEE2C62"},
	{longest, 3, dukpt.PINEncryption, dukpt.AES256, "96A1AB5D37CB7CF81DDE64F66C46E0389B833E7AD5F4E44C791F04FAFDA6DA0E"},
	{longest, dukpt.UpdateCounter, dukpt.KeyEncryption, dukpt.AES256, "AEFB210C136278A1279F7C8815F446DB8EBE2AA910B157AA4E6484D8DE9C4807"},
	// The intermediate derivation keys themselves, and the last counters.
	{initial, 0xFFFE4000, 0, 0, "396C2C7CA1EA701C03B86B7D41F0C562"},
	{initial, 0xFFFE8000, 0, 0, "0387625F189B58AE03EF0E8CCA41105E"},
	{initial, 0xFFFF0000, 0, 0, "F6BA59389BD14A9855BE9727E7C52E3C"},
	{initial, 0x1FFFE, 0, 0, "E21E8C8D347F8561A2BE752DAA85A111"},
	{longest, 1, 0, 0, "54AC2B32B145EA4A554CB8BC44B17467063A799856B1CCC2A138D36E8DBF78B3"},
}

func TestAESWorkingKeys(t *testing.T) {
	for _, row := range workingKeys {
		var got []byte
		var err error
		if row.usage == 0 {
			got, err = dukpt.IntermediateKey(unhex(t, row.from), aesKSN(row.counter))
		} else {
			got, err = dukpt.AESWorkingKey(unhex(t, row.from), aesKSN(row.counter), row.usage, row.t)
		}
		if err != nil || upper(got) != row.want {
			t.Errorf("counter %X, usage %04X, type %d: %s, %v; want %s", row.counter, uint16(row.usage), row.t, upper(got), err, row.want)
		}
	}
}

func TestAESRefusals(t *testing.T) {
	key := unhex(t, initial)
	for _, c := range []uint32{0, 0x1FFFF} {
		if _, err := dukpt.AESWorkingKey(key, aesKSN(c), dukpt.PINEncryption, dukpt.AES128); !errors.Is(err, dukpt.ErrCounter) {
			t.Errorf("counter %X: %v", c, err)
		}
	}
	if _, err := dukpt.AESWorkingKey(key, aesKSN(1), dukpt.PINEncryption, dukpt.AES256); err == nil {
		t.Error("an AES key of 256 bits came from one of 128")
	}
	if _, err := dukpt.AESWorkingKey(key, aesKSN(1), dukpt.PINEncryption, 99); err == nil {
		t.Error("a key type that is none")
	}
	if _, err := dukpt.AESInitialKey(key[:15], aesID); err == nil {
		t.Error("a BDK of 15 bytes")
	}
	if _, err := dukpt.NewAESDevice(key[:15], aesID); err == nil {
		t.Error("an initial key of 15 bytes")
	}
}

// A device agrees with the host for as long as is worth the time, and at the end.
func TestAESDevice(t *testing.T) {
	first := unhex(t, initial)
	d, err := dukpt.NewAESDevice(first, aesID)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		keys, at, err := d.Next(dukpt.AES128, dukpt.PINEncryption, dukpt.MACGeneration)
		if err != nil {
			t.Fatal(err)
		}
		for i, usage := range []dukpt.KeyUsage{dukpt.PINEncryption, dukpt.MACGeneration} {
			want, err := dukpt.AESWorkingKey(first, at, usage, dukpt.AES128)
			if err != nil || upper(keys[i]) != upper(want) {
				t.Fatalf("%s usage %04X: %s, want %s, %v", at, uint16(usage), upper(keys[i]), upper(want), err)
			}
		}
	}
	if _, _, err := d.Next(dukpt.AES256, dukpt.PINEncryption); err == nil {
		t.Error("a device gave a key that is stronger than its own")
	}
}

func TestAESDeviceEnds(t *testing.T) {
	d, err := dukpt.NewAESDevice(unhex(t, initial), aesID)
	if err != nil {
		t.Fatal(err)
	}
	dukpt.Wind(d, 0xFFFE4000)
	var counters []uint32
	for {
		_, at, err := d.Next(dukpt.AES128)
		if errors.Is(err, dukpt.ErrEnd) {
			break
		}
		if err != nil || len(counters) > 9 {
			t.Fatal(at, err)
		}
		counters = append(counters, at.Counter())
		if bits.OnesCount32(at.Counter()) > 16 {
			t.Errorf("counter %X", at.Counter())
		}
	}
	if want := []uint32{0xFFFE4000, 0xFFFE8000, 0xFFFF0000}; len(counters) != 3 || counters[0] != want[0] || counters[2] != want[2] {
		t.Errorf("last counters %X, want %X", counters, want)
	}
}
