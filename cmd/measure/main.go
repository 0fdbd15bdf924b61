//go:build linux

// Command measure is for those who work on the agent: it measures the built binary. bench deploys and idles with it and puts the floor beside
// each figure, size tells what is linked. See docs/performance.md.
package main

import (
	"fmt"
	"os"
)

func main() {
	verbs := map[string]func([]string) error{"bench": bench, "size": size, "timed": timed, "poller": poller}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: measure bench|size [options]; -h lists them")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "ERROR:", err)
		os.Exit(1)
	}
}
