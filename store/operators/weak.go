package operators

import "bytes"

// words are what weak passwords are made of: the beginnings and wholes that head the lists
// of leaked passwords, what terminals are delivered with, and keyboard rows. Lower case,
// with digits for the letters that people replace.
var words = []string{
	"password", "passwort", "passwd", "qwerty", "qwertyuiop", "asdfgh", "asdfghjkl", "zxcvbn", "zxcvbnm", "letmein", "welcome",
	"iloveyou", "admin", "administrator", "supervisor", "operator", "cashier", "manager", "merchant", "terminal", "payment",
	"unionpay", "yinlian", "shouyin", "mima", "woaini", "default", "changeme", "secret", "master", "monkey", "dragon", "football",
	"sunshine", "princess", "superman", "batman", "shadow", "trustno1", "verifone", "ingenico", "pax", "newland", "landi", "posd",
	"test", "demo", "guest", "root", "user", "login", "hello", "abc", "abcd", "aaaa", "1q2w3e4r", "1q2w3e", "qazwsx", "1qaz2wsx",
	"zaq12wsx", "5201314", "1314520", "147258369", "159753", "112233", "121212", "123123", "888888", "666666", "166831", "166816",
}

// leet undoes the usual replacements.
var leet = map[byte]byte{'@': 'a', '4': 'a', '3': 'e', '1': 'i', '!': 'i', '0': 'o', '5': 's', '$': 's', '7': 't'}

// weak tells whether a password is a word of the list with at most four other characters
// around it, a run of characters, or a short unit over and over.
func weak(password []byte) bool {
	lower := bytes.ToLower(password)
	defer clear(lower)
	plain := bytes.Map(func(r rune) rune {
		if b, ok := leet[byte(r)]; ok {
			return rune(b)
		}
		return r
	}, lower)
	defer clear(plain)
	const around = 4
	for _, w := range words {
		for _, p := range [][]byte{lower, plain} {
			if len(p) <= len(w)+around && bytes.Contains(p, []byte(w)) {
				return true
			}
		}
	}
	return runs(lower) || periodic(lower)
}

// runs tells whether all but three of the characters follow the one before by one and the
// same step of 0, 1 or -1: 12345678, hgfedcba1, aaaaaaaa.
func runs(p []byte) bool {
	for _, step := range []int{-1, 0, 1} {
		breaks := 0
		for i := 1; i < len(p); i++ {
			if int(p[i])-int(p[i-1]) != step {
				breaks++
			}
		}
		if breaks <= 2 {
			return true
		}
	}
	return false
}

// periodic tells whether p is a unit of up to three characters over and over, or a longer
// one twice.
func periodic(p []byte) bool {
	for n := 1; n <= 3 && n < len(p); n++ {
		if repeats(p, p[:n]) {
			return true
		}
	}
	return len(p)%2 == 0 && bytes.Equal(p[:len(p)/2], p[len(p)/2:])
}
