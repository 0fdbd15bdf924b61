//go:build !linux

package dryrun

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
)

// Main runs one of the package's hidden sub-commands and does not return; for any other arguments it does nothing.
func Main([]string) {}

// Run runs a program on a view. There are none on this system.
func Run(context.Context, Options) (*Observation, int, error) {
	return nil, 0, &UnsupportedError{errors.New(runtime.GOOS + " has no namespaces and overlay file systems; Linux has")}
}

// NewMessages returns the writer of messages of a program that runs in a view. There are no views on this system.
func NewMessages() *Messages { return &Messages{json.NewEncoder(io.Discard)} }

// Ordinary says whether views are those of an ordinary user.
func Ordinary() bool { return true }
