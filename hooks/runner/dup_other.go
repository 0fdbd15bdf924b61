//go:build unix && !linux

package runner

import "syscall"

func dup2(from, to int) { syscall.Dup2(from, to) }
