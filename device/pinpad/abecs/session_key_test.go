package abecs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// sessionKey is made once: it takes its time.
var sessionKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// entropy is crypto/rand as a comparable value.
type entropy struct{}

func (entropy) Read(b []byte) (int, error) { return rand.Read(b) }
