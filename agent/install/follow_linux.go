package install

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// stop is a name still to be followed, or the end of a link's text, where what was reached must be its owner's.
type stop struct {
	name  string
	link  string // set at the end of a link's text
	owner int
}

// follow returns where a path of the host ends, without links, and what stands there; an error for which missing or looping is true if it ends
// nowhere. A link that somebody else than root or this process's user could have made may lead only to what is that user's, unless foreign
// is set (*foreignLinkError). Each directory is held while what stands in it is looked at, so that nobody can change the way between
// two looks.
func follow(path string, foreign bool) (string, info, error) {
	const flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	var st unix.Stat_t
	open := func(dir int, name string) (int, error) {
		for {
			fd, err := unix.Openat(dir, name, flags, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return -1, err
			}
			if err := unix.Fstat(fd, &st); err != nil {
				unix.Close(fd)
				return -1, err
			}
			return fd, nil
		}
	}
	at, end := -1, ""
	var stands info
	enter := func(fd int, path string) {
		if at >= 0 {
			unix.Close(at)
		}
		at, end, stands = fd, path, infoOfStat(&st)
	}
	defer func() { unix.Close(at) }()
	fail := func(err error) (string, info, error) {
		return "", info{}, &os.PathError{Op: "follow", Path: path, Err: err}
	}
	root, err := open(unix.AT_FDCWD, "/")
	if err != nil {
		return fail(err)
	}
	enter(root, "/")
	todo := stops(path)
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if next.link != "" {
			if stands.uid != next.owner {
				return "", info{}, &foreignLinkError{next.link, end, next.owner, stands.uid}
			}
			continue
		}
		if stands.kind != directory {
			return fail(unix.ENOTDIR)
		}
		fd, err := open(at, next.name)
		if err != nil {
			return fail(err)
		}
		if next.name == ".." {
			enter(fd, filepath.Dir(end))
			continue
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			enter(fd, filepath.Join(end, next.name))
			continue
		}
		owner := suspect(infoOfStat(&st), stands)
		text := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", text)
		unix.Close(fd)
		if err != nil {
			return fail(err)
		}
		if links++; links > maxLinks {
			return fail(unix.ELOOP)
		}
		if owner != noID && !foreign {
			todo = append([]stop{{link: filepath.Join(end, next.name), owner: owner}}, todo...)
		}
		target := string(text[:n])
		todo = append(stops(target), todo...)
		if filepath.IsAbs(target) {
			if root, err = open(unix.AT_FDCWD, "/"); err != nil {
				return fail(err)
			}
			enter(root, "/")
		}
	}
	return end, stands, nil
}

func stops(path string) []stop {
	var out []stop
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			out = append(out, stop{name: name})
		}
	}
	return out
}
