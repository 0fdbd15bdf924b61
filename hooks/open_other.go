//go:build !linux

package hooks

// leftOpen warns of a process that still holds the script's output.
func leftOpen(*script) string {
	return "the script has ended, but a process that it started still holds its output open; redirect the output of what a hook " +
		"leaves running"
}
