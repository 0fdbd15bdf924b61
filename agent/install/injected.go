package install

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// readInjected returns the lines of a clean-up list that are no path of the Install that wrote the list, but parts of one: the official agents put
// a name into the list as it is, so that the name "x\n/etc/passwd" of a bundle makes a line /etc/passwd, and the name "x " one that says x.
// The instructions that they wrote before the list show it, because JSON keeps such a name whole. Instructions that are missing or cannot
// be read inject nothing. The lines are clean paths.
func readInjected(path string) (map[string]bool, error) {
	f, is, err := (&remains{}).open(path)
	if err != nil || f == nil {
		return nil, err
	}
	defer f.Close()
	if namesFitLines(f) {
		return nil, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read the previous revision's instructions: %w", err)
	}
	instructions, err := contentOf(f, is)
	if err != nil {
		return nil, fmt.Errorf("cannot read the previous revision's instructions: %w", err)
	}
	return injected([]byte(instructions)), nil
}

// namesFitLines says whether it can be seen without reading JSON that no string of a JSON text is more than a line or has blanks at its ends, as it
// mostly can: such a string has an escape, a character beyond ASCII or a blank beside a quotation mark.
func namesFitLines(text io.Reader) bool {
	before := byte(0)
	buffer := make([]byte, 32<<10)
	for {
		n, err := text.Read(buffer)
		for _, c := range buffer[:n] {
			if c == '\\' || c >= utf8.RuneSelf || c == '"' && before == ' ' || c == ' ' && before == '"' {
				return false
			}
			before = c
		}
		if err != nil {
			return err == io.EOF
		}
	}
}

// injected is readInjected for a text.
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
