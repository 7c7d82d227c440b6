//go:build !race

package simulate_test

// few is how many seeds a test run plays.
const few = 200
