//go:build race

package simulate_test

// few is how many seeds a test run plays: the race detector makes each ten times as long.
const few = 30
