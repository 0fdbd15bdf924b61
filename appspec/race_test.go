//go:build race

package appspec

const raceDetector = true
