//go:build !race

package journal

// raced tells that the race detector slows each process down.
const raced = false
