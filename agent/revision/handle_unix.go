//go:build unix

package revision

import (
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/hooks/faultpoint"
)

// handleNames reaches the names of a directory by single system calls. Package os needs twice as many for a file, and there are many files.
type handleNames struct {
	dir   *os.File
	fd    int
	fresh disk.Fresh
}

func (n *handleNames) open(root *os.Root) (err error) {
	if n.dir, err = root.Open("."); err != nil {
		return err
	}
	n.fd = int(n.dir.Fd())
	n.fresh.In(n.fd)
	return nil
}

func (n *handleNames) close() { n.dir.Close() }

// about says which file an error is about.
func about(op, base string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: base, Err: err}
}

// create makes a file, the name of which is one component.
func (f *handle) create(base string, a attributes, content []byte) error {
	if a.uid < 0 { // it stays whose it is
		a.uid, a.gid = f.names.fresh.Owner()
	}
	mode := f.names.fresh.Mode(a.mode, a.uid, a.gid)
	fd, err := f.openat(base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
	if err != nil {
		return about("open", base, err)
	}
	err = f.fill(fd, base, mode, a, content)
	if e := unix.Close(fd); err == nil {
		err = about("close", base, e)
	}
	return err
}

// fill writes a file that was made with a mode.
func (f *handle) fill(fd int, base string, mode uint32, a attributes, content []byte) error {
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return about("write", base, err)
		}
		content = content[n:]
	}
	if err := faultpoint.At("unpack written"); err != nil {
		return err
	}
	if user, group := f.names.fresh.Owner(); a.uid != user || a.gid != group {
		if err := unix.Fchown(fd, a.uid, a.gid); err != nil { // before the mode: it clears set-id
			return about("chown", base, err)
		}
	}
	if mode != a.mode || !f.names.fresh.Kept(fd, mode) {
		if err := unix.Fchmod(fd, a.mode); err != nil {
			return about("chmod", base, err)
		}
	}
	if a.mtime.IsZero() {
		return nil
	}
	at := a.mtime.UnixNano()
	return about("chtimes", base, disk.SetTimes(fd, at, at))
}

func (f *handle) openat(base string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(f.names.fd, base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// list returns the names in the directory, once.
func (f *handle) list() ([]string, error) { return f.names.dir.Readdirnames(-1) }

// lstat says what a name is, in the given place.
func (f *handle) lstat(base string, is *statInfo) (fs.FileInfo, error) {
	is.name = base
	if err := unix.Fstatat(f.names.fd, base, &is.st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, about("lstat", base, err)
	}
	return is, nil
}

// read returns the content of a file, which is in the buffer if there is room for it, and what it is, which is in the given place.
func (f *handle) read(base string, buffer []byte, is *statInfo) ([]byte, fs.FileInfo, error) {
	fd, err := f.openat(base, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, about("open", base, err)
	}
	defer unix.Close(fd)
	is.name = base
	if err := unix.Fstat(fd, &is.st); err != nil {
		return nil, nil, about("stat", base, err)
	}
	if !is.Mode().IsRegular() {
		return nil, nil, errBecameSpecial
	}
	content := buffer[:0]
	for {
		if len(content) == cap(content) { // it has grown
			content = append(content, make([]byte, len(content))...)[:len(content)]
		}
		n, err := unix.Read(fd, content[len(content):cap(content)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, nil, about("read", base, err)
		}
		content = content[:len(content)+n]
		if n == 0 || int64(len(content)) == is.st.Size {
			return content, is, nil
		}
	}
}

// statInfo is what the system says of a file. One place serves for many, because each would be garbage at once.
type statInfo struct {
	name string
	st   unix.Stat_t
}

func (i *statInfo) Name() string       { return i.name }
func (i *statInfo) Size() int64        { return i.st.Size }
func (i *statInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *statInfo) Sys() any           { return &i.st }
func (i *statInfo) ModTime() time.Time { return time.Unix(i.st.Mtim.Unix()) }

func (i *statInfo) Mode() fs.FileMode {
	m := attributes{mode: uint32(i.st.Mode) & 0o7777}.fileMode()
	switch i.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	default:
		m |= fs.ModeIrregular
	}
	return m
}
