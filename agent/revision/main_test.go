//go:build unix

package revision

import (
	"os"
	"syscall"
	"testing"
)

// TestMain sets a umask that no result may depend on. As a child of a test it downloads, see downloadAsChild.
func TestMain(m *testing.M) {
	syscall.Umask(0o077)
	if arguments := os.Getenv(downloadTo); arguments != "" {
		os.Exit(downloadAsChild(arguments))
	}
	os.Exit(m.Run())
}
