//go:build !linux

package install

import (
	"os"
	"path/filepath"
)

// lookIn says what stands at a name in an open directory.
func lookIn(d *os.File, name string) (info, error) {
	return lstat(filepath.Join(d.Name(), name))
}

// lstat says what stands at a path.
func lstat(path string) (info, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return info{}, err
	}
	return infoOf(fi), nil
}
