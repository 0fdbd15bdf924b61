//go:build manual

package main

import (
	"os"
	"time"

	"github.com/spf13/cobra/doc"
)

// Built with the tag "manual", the program writes its manual pages into the directory that its only argument names, and ends. The packages'
// build uses it; the agent itself does not carry what makes manual pages.
func init() {
	when, err := time.Parse(time.RFC3339, date)
	if err == nil && len(os.Args) != 2 {
		panic("usage: manual DIRECTORY")
	}
	if err == nil {
		root := rootCommand()
		root.DisableAutoGenTag = true
		err = doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "codedeploy-agent " + version, Manual: "codedeploy-agent", Date: &when}, os.Args[1])
	}
	if err != nil {
		panic(err)
	}
	os.Exit(0)
}
