package install

import (
	"io/fs"
	"os"
)

// openState opens a list.
func openState(path string) (*os.File, error) { return os.Open(path) }

// openSeen opens a directory.
func openSeen(path string) (*os.File, error) { return os.Open(path) }

// distrust says why a list could have been written by somebody else, or nothing. Who may write below the deployment root is the
// business of its access list on Windows.
func distrust(fi fs.FileInfo) string {
	if !fi.Mode().IsRegular() {
		return "it is not a regular file"
	}
	return ""
}
