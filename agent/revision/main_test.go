//go:build unix

package revision

import (
	"os"
	"syscall"
	"testing"
)

// TestMain sets a umask that no result may depend on.
func TestMain(m *testing.M) {
	syscall.Umask(0o077)
	os.Exit(m.Run())
}
