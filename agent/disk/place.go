package disk

import (
	"os"
	"path/filepath"
)

// Standing is a path or, if nothing is there, the nearest directory above it that exists: where it would be made.
func Standing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}
