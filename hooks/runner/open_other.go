//go:build !linux

package runner

import "os"

// unread is not known here: whether a pipe is empty shows in that a Read of it goes on waiting.
func unread(*os.File) int { return 0 }

// leftOpen warns of a process that still holds the script's output.
func leftOpen(*script) string {
	return "the script has ended, but a process that it started still holds its output open; redirect the output of what a hook " +
		"leaves running"
}
