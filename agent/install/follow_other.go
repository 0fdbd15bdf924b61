//go:build !linux

package install

import (
	"os"
	"path/filepath"
)

// follow returns where a path of the host ends, without links, and what stands there; see follow_linux.go. Here whoever made the links on
// the way is not looked at.
func follow(path string, _ bool) (string, info, error) {
	end, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", info{}, err
	}
	fi, err := os.Lstat(end)
	if err != nil {
		return "", info{}, err
	}
	return end, infoOf(fi), nil
}
