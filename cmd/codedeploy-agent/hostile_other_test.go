//go:build unix && !linux

package main

import "syscall"

// changeTime is empty where it has another name on every system, attributesOf where attributes are other ones.
func changeTime(*syscall.Stat_t) string { return "" }
func attributesOf(string) string        { return "" }
