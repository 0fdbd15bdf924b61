package dryrun

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mount is one line of /proc/self/mountinfo.
type mount struct{ path, kind string }

// mountsBelow lists what is mounted below a directory, without what a view has of its own or cannot show, parents first. Of mounts at the
// same place it is the last that counts.
func mountsBelow(root string) ([]mount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot find out what is mounted: %w", err)
	}
	defer f.Close()
	at := map[string]mount{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		left, right, _ := strings.Cut(lines.Text(), " - ")
		fields, kinds := strings.Fields(left), strings.Fields(right)
		if len(fields) < 5 || len(kinds) < 1 {
			continue
		}
		path := unescape(fields[4])
		if inside(path, root) && path != root {
			at[path] = mount{path, kinds[0]}
		}
	}
	var all []mount
	for _, path := range slices.Sorted(maps.Keys(at)) {
		all = append(all, at[path])
	}
	return all, nil
}

// unescape undoes the kernel's \ooo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// inside says whether path is dir or below it.
func inside(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// own are the directories that a view has of its own.
var own = []string{"/proc", "/sys", "/dev"}

func isOwn(path string) bool {
	return slices.ContainsFunc(own, func(dir string) bool { return inside(path, dir) })
}

// ours is the kind of what the dry run itself keeps on disk.
const ours = "dry-run"

// unseen are kinds of file systems that are not shown: the kernel's own, and those of containers' layers, which are stacked already.
var unseen = []string{ours, "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "debugfs", "tracefs", "securityfs", "pstore", "bpf",
	"configfs", "hugetlbfs", "fusectl", "binfmt_misc", "autofs", "efivarfs", "rpc_pipefs", "nsfs", "overlay"}

func (m mount) seen() bool { return !slices.Contains(unseen, m.kind) }

// join puts a path of the view below a directory.
func join(dir, path string) string { return filepath.Join(dir, strings.TrimPrefix(path, "/")) }
