//go:build unix

package custody

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many links are followed on the way to a file (as Linux does).
const maxLinks = 40

// Check returns an *Error if others than root and the agent's own user can write the file or replace it: it looks at the file and at all
// directories on the way to it, also where links lead. Other errors are about a file that cannot be looked at.
func Check(path string) error { return check(path, true) }

// CheckInPlace looks at the file, which may be a directory, and the directory it is in only: for what is below a directory that the operator has
// chosen.
func CheckInPlace(path string) error { return check(path, false) }

func check(path string, ancestors bool) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	w := walk{shared: map[string]bool{}}
	if err := w.to(path, ancestors); err != nil {
		return err
	}
	if len(w.problems) > 0 {
		return &Error{path, w.problems}
	}
	return nil
}

// walk goes to a file as the kernel does, one name at a time, and looks at everything on the way.
type walk struct {
	// shared has what was looked at: whether others may put things there that only their owners can replace.
	shared   map[string]bool
	problems []Problem
}

func (w *walk) to(path string, ancestors bool) error {
	at := "/"
	names := strings.Split(strings.Trim(path, "/"), "/")
	links := 0
	if ancestors {
		w.look("/", true)
	}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if strings.HasPrefix(next, "/proc/") {
				return nil // the file is open already, like what a shell hands over as /dev/fd/63
			}
			if links++; links > maxLinks {
				return &fs.PathError{Op: "follow", Path: path, Err: syscall.ELOOP}
			}
			if w.shared[at] {
				w.owner(next, info)
			}
			target, err := os.Readlink(next)
			if err != nil {
				return err
			}
			names = append(strings.Split(target, "/"), names...)
			if filepath.IsAbs(target) {
				at = "/"
			}
		case info.IsDir():
			if ancestors || len(names) <= 1 {
				w.look(next, true)
			}
			at = next
		default:
			if len(names) > 0 {
				return &fs.PathError{Op: "look at", Path: next, Err: syscall.ENOTDIR}
			}
			w.look(next, info.Mode().IsRegular())
		}
	}
	return nil
}

// look notes what is wrong with a file or directory. Where modes is false, only its owner counts: a device is what it is, whoever writes to it.
func (w *walk) look(path string, modes bool) {
	if _, before := w.shared[path]; before {
		return
	}
	w.shared[path] = false
	info, err := os.Lstat(path)
	if err != nil || !w.owner(path, info) || !modes {
		return
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	var why, remedy string
	switch perm := info.Mode().Perm(); {
	case perm&0o002 != 0:
		why, remedy = "may be written by everybody", "chmod go-w "+quote(path)
	case perm&0o020 == 0:
	case !private(st.Gid):
		why, remedy = "may be written by the group "+groupName(st.Gid), "chmod g-w "+quote(path)
	default:
		if who := listed(path); who != "" {
			why, remedy = "may be written by "+who+" (access control list)", "setfacl -b "+quote(path)
		}
	}
	switch {
	case why == "":
	case info.IsDir() && info.Mode()&fs.ModeSticky != 0:
		w.shared[path] = true
	default:
		w.problems = append(w.problems, Problem{path, info.Mode(), why, remedy})
	}
}

// owner notes if what is at path belongs to somebody who may change it at any time, and returns whether it does not.
func (w *walk) owner(path string, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || trusted(st.Uid) {
		return true
	}
	chown := "chown"
	if info.Mode()&fs.ModeSymlink != 0 {
		chown += " -h"
	}
	w.problems = append(w.problems, Problem{path, info.Mode(), "belongs to the user " + userName(st.Uid),
		fmt.Sprintf("%s %s %s", chown, userName(uint32(os.Geteuid())), quote(path))})
	return false
}

// trusted says of a user that what it writes may be relied on.
func trusted(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// exposed says that others may read a file with secrets, "" if they may not.
func exposed(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	perm := info.Mode().Perm()
	if !ok || perm&0o004 == 0 && (perm&0o040 == 0 || private(st.Gid)) {
		return ""
	}
	who := "everybody"
	if perm&0o004 == 0 {
		who = "the group " + groupName(st.Gid)
	}
	return fmt.Sprintf("%s holds secrets and may be read by %s (mode %04o); use: chmod 600 %s", path, who, mode(info.Mode()), quote(path))
}

// quote makes a path that a shell takes as it is.
func quote(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,=", r))
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
