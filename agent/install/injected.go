package install

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// injected returns the lines of a clean-up list that are no path of the Install that wrote the list, but parts of one: the official agents put
// a name into the list as it is, so that the name "x\n/etc/passwd" of a bundle makes a line /etc/passwd, and the name "x " one that says x.
// The instructions that they wrote before the list show it, because JSON keeps such a name whole. Instructions that are missing or cannot
// be read inject nothing. The lines are clean paths.
func injected(instructions []byte) map[string]bool {
	var form struct {
		Instructions []struct{ Destination, Directory string }
	}
	if err := json.Unmarshal(instructions, &form); err != nil {
		return nil
	}
	paths, parts := map[string]bool{}, map[string]bool{}
	for _, i := range form.Instructions {
		for _, path := range []string{i.Destination, i.Directory} {
			if fitsLine(path) {
				paths[filepath.Clean(path)] = true
				continue
			}
			for line := range strings.SplitSeq(path, "\n") {
				parts[filepath.Clean(strings.TrimSpace(line))] = true
			}
		}
	}
	for path := range paths {
		delete(parts, path)
	}
	return parts
}
