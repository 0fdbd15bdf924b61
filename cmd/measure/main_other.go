//go:build !linux

// Command measure is for Linux: it reads /proc.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "ERROR: measuring needs Linux")
	os.Exit(1)
}
