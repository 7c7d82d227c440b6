package dukpt

// IntermediateKey is what the supplement's vectors have, and no transaction gives away.
func IntermediateKey(initial []byte, ksn AESKSN) ([]byte, error) {
	own, err := aesType(initial)
	if err != nil {
		return nil, err
	}
	return intermediateKey(initial, own, ksn)
}

// Wind brings a device near its end; the key there is not the right one.
func Wind(d *AESDevice, counter uint32) {
	d.future.counter = counter
	for i := range d.future.keys {
		d.future.keys[i] = make([]byte, 16)
	}
}
