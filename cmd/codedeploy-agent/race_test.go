//go:build race

package main

// raceDetector says that the tests run with the race detector; the binary they drive is then built with it too.
const raceDetector = true
