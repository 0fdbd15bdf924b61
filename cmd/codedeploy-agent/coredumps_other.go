//go:build unix && !linux

package main

import "golang.org/x/sys/unix"

// disableCoreDumps keeps credentials in memory from reaching a disk.
func disableCoreDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
