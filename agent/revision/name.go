package revision

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// maxName is the longest name of an entry in bytes: Linux opens no longer paths.
const maxName = 4095

// cleanName turns an entry's name into a clean relative one; "." is the archive itself. A leading slash is cut off, as by tar and
// unzip, unless strict is set (the setting reject_path_traversal_in_bundle). depth is how many directories deep it may lie; 0 is
// no limit.
func cleanName(raw string, strict bool, depth int) (string, error) {
	switch {
	case strings.IndexByte(raw, 0) >= 0:
		return "", errors.New("its name has a NUL character")
	case len(raw) > maxName:
		return "", fmt.Errorf("its name has %d bytes; %d is the most", len(raw), maxName)
	case strict && strings.HasPrefix(raw, "/"):
		return "", errors.New("its name is absolute (refused by the setting reject_path_traversal_in_bundle)")
	case strict && len(raw) > 1 && raw[1] == ':' && (raw[0]|0x20) >= 'a' && (raw[0]|0x20) <= 'z':
		return "", errors.New("its name begins with a drive (refused by the setting reject_path_traversal_in_bundle)")
	}
	parts := strings.Split(raw, "/")
	kept := parts[:0]
	for _, p := range parts {
		switch p {
		case "..":
			return "", errors.New("its name climbs with \"..\"; no entry may leave the archive")
		case "", ".":
			continue
		}
		if runtime.GOOS == "windows" && (strings.ContainsAny(p, `\:`) || !filepath.IsLocal(p)) {
			return "", fmt.Errorf("its name has the part %s, which means something else than a file on Windows", shown(p))
		}
		kept = append(kept, p)
	}
	if depth > 0 && len(kept) > depth {
		return "", fmt.Errorf("it lies %d directories deep; %d is the most, the limit set by archive_max_depth", len(kept), depth)
	}
	if len(kept) == 0 {
		return ".", nil
	}
	return strings.Join(kept, "/"), nil
}

// shown is a name for errors and logs: quoted, so that it cannot be mistaken for anything else, and not longer than a line.
func shown(name string) string {
	const most, head, tail = 200, 120, 60
	if len(name) <= most {
		return strconv.Quote(name)
	}
	return strconv.Quote(name[:head]) + " … " + strconv.Quote(name[len(name)-tail:])
}
