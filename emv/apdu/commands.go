package apdu

import "posd/emv"

// Instruction bytes. EMV 4.4 Book 3, 6.5; Book 1, 11.3 for SELECT.
const (
	InsSelect               = 0xA4
	InsReadRecord           = 0xB2
	InsGetProcessingOptions = 0xA8
	InsGetData              = 0xCA
	InsGenerateAC           = 0xAE
	InsInternalAuthenticate = 0x88
	InsExternalAuthenticate = 0x82
	InsVerify               = 0x20
	InsGetChallenge         = 0x84
	InsGetResponse          = 0xC0
)

// Select selects by DF name; next asks for the next occurrence (P2=02).
func Select(name []byte, next bool) Command {
	c := Command{CLA: 0x00, INS: InsSelect, P1: 0x04, Data: name, Ne: 256}
	if next {
		c.P2 = 0x02
	}
	return c
}

// ReadRecord reads one record of the file with the short file identifier (1 to 30).
func ReadRecord(sfi, record byte) Command {
	return Command{INS: InsReadRecord, P1: record, P2: sfi<<3 | 0x04, Ne: 256}
}

// GetProcessingOptions carries template 83 with the PDOL data.
func GetProcessingOptions(template []byte) Command {
	return Command{CLA: 0x80, INS: InsGetProcessingOptions, Data: template, Ne: 256}
}

// GetData asks for a primitive data object outside the records: ATC 9F36, last
// online ATC 9F13, PIN try counter 9F17, log format 9F4F.
func GetData(tag uint16) Command {
	return Command{CLA: 0x80, INS: InsGetData, P1: byte(tag >> 8), P2: byte(tag), Ne: 256}
}

// GenerateAC asks for a cryptogram over the CDOL data; cda asks for a combined
// DDA/AC signature.
func GenerateAC(kind emv.Cryptogram, cda bool, cdolData []byte) Command {
	c := Command{CLA: 0x80, INS: InsGenerateAC, P1: byte(kind), Data: cdolData, Ne: 256}
	if cda {
		c.P1 |= 0x10
	}
	return c
}

// InternalAuthenticate carries the DDOL data.
func InternalAuthenticate(ddolData []byte) Command {
	return Command{INS: InsInternalAuthenticate, Data: ddolData, Ne: 256}
}

// ExternalAuthenticate carries tag 91, 8 to 16 bytes; no data comes back.
func ExternalAuthenticate(issuerAuthData []byte) Command {
	return Command{INS: InsExternalAuthenticate, Data: issuerAuthData}
}

// GetChallenge asks for 8 unpredictable bytes.
func GetChallenge() Command { return Command{INS: InsGetChallenge, Ne: 256} }

// Qualifiers of VERIFY. EMV 4.4 Book 3, 6.5.12.
const (
	PlaintextPIN  = 0x80
	EncipheredPIN = 0x88
)

// Verify carries a PIN block, in plain or enciphered, as the qualifier says.
func Verify(qualifier byte, block []byte) Command {
	return Command{INS: InsVerify, P2: qualifier, Data: block}
}
