//go:build !linux

package main

import (
	"context"
	"errors"
	"runtime"
)

func isolate(context.Context, string) *isolation {
	return noIsolation(runtime.GOOS + " has no mount namespaces")
}

func enter([]string) error {
	return errors.New("cannot enter an instance: " + runtime.GOOS + " has no mount namespaces")
}
