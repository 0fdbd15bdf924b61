//go:build unix && !linux

package hooks

import "syscall"

func dup2(from, to int) { syscall.Dup2(from, to) }
