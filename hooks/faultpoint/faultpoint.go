//go:build !faultpoints

// Package faultpoint marks the places between two durable steps of the agent. Built with the tag "faultpoints", a test can make the
// process die or fail at any of them; in the ordinary binary a point is nothing.
package faultpoint

// At is a point with a name. It returns the error that the work at this place is to fail with.
func At(string) error { return nil }

// Hang is a place where the process can be made to hang.
func Hang(string) {}
