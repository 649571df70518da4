//go:build !race

package chtest

// raceDetector reports whether the race detector is built in.
const raceDetector = false
