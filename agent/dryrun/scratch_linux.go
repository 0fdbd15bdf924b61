package dryrun

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// scratch is a directory on disk for a view's differences, and the process that removes it when this one has ended, however it ends.
type scratch struct {
	dir     string
	janitor *exec.Cmd
	alive   *os.File // the janitor waits for its end
}

// scratchPlace is where the differences of an ordinary user's view go whose kernel has no extended attributes in memory.
const scratchPlace = "/var/tmp"

// newScratch makes a scratch directory below dir. If dir is empty it does so only where memory will not do, and otherwise returns nil.
func newScratch(dir string, user bool) (*scratch, error) {
	if dir == "" {
		if !user || kernelAtLeast(6, 6) {
			return nil, nil
		}
		dir = scratchPlace
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		dir, err = os.MkdirTemp(dir, "codedeploy-dry-run-")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot keep the view's differences on disk: %w", err)
	}
	s := &scratch{dir: dir}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	defer read.Close()
	s.alive = write
	s.janitor = exec.Command("/proc/self/exe", janitorCommand, dir)
	s.janitor.Stdin = read
	s.janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what ends this process by the terminal must not end it
	if err := s.janitor.Start(); err != nil {
		write.Close()
		return nil, errors.Join(err, os.Remove(dir))
	}
	return s, nil
}

// remove has the janitor remove the directory.
func (s *scratch) remove() error {
	if s == nil {
		return nil
	}
	s.alive.Close()
	if err := s.janitor.Wait(); err != nil {
		return fmt.Errorf("cannot remove %s: %w", s.dir, err)
	}
	return nil
}

// path is the directory, "" for none.
func (s *scratch) path() string {
	if s == nil {
		return ""
	}
	return s.dir
}

// janitorMain waits for the end of its standard input and removes the directory. The view's processes are being killed then; until they are
// gone something may still be made in it.
func janitorMain(dir string) int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(pause) {
		if err = removeAll(dir); err == nil {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "cannot remove what the dry run has left:", err)
	return 1
}

// removeAll removes a directory, also what its owner may not enter.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // before it is read
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// kernelAtLeast compares the kernel's version.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b int
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
