package revision

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/faultpoint"
)

// staging is the hidden directory beside an archive in which the archive is made. Only the agent's user can enter it, so nobody
// can change what lies in it while it is being filled.
type staging struct {
	dir    string // absolute or relative as given
	target string // the archive's final name
	root   *os.Root
}

func newStaging(target string) (*staging, error) {
	s := &staging{dir: stagedName(target), target: target}
	if err := removeTree(s.dir); err != nil { // of an attempt that was interrupted
		return nil, fmt.Errorf("cannot remove the rest of an earlier attempt: %w", err)
	}
	if err := faultpoint.At("unpack begin"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		os.Remove(s.dir)
		return nil, err
	}
	s.root = root
	return s, nil
}

// publish makes everything below the staging directory durable and gives the directory from (relative to it; "." is itself) the
// final name. An older archive of that name disappears in the same moment where the system can swap two names (Linux), else the
// name is missing for a moment; it never holds a mixture.
func (s *staging) publish(from string) error {
	if err := syncFilesystem(s.dir); err != nil {
		return fmt.Errorf("cannot write the archive to disk: %w", err)
	}
	if err := faultpoint.At("unpack publish"); err != nil {
		return err
	}
	s.root.Close() // Windows renames no open directory
	made := filepath.Join(s.dir, from)
	err := os.Rename(made, s.target)
	if err != nil {
		if _, e := os.Lstat(s.target); e != nil {
			return err // the failure has nothing to do with an older archive
		}
		err = replaceDirectory(made, s.target)
	}
	if err != nil {
		return err
	}
	if err := faultpoint.At("unpack published"); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(s.target))
}

// discard removes what is left of the staging directory: all of it after a failure, the replaced archive after a success.
func (s *staging) discard() error {
	s.root.Close()
	return removeTree(s.dir)
}

// removeTree removes dir like os.RemoveAll, also where an ordinary user must first be allowed to change directories of his own.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !os.IsPermission(err) {
		return err
	}
	root, e := os.OpenRoot(dir)
	if e != nil {
		if os.Chmod(dir, 0o700) != nil {
			return err
		}
		if root, e = os.OpenRoot(dir); e != nil {
			return err
		}
	}
	defer root.Close()
	allowDirectories(root)
	return os.RemoveAll(dir)
}

// allowDirectories opens every directory below root to its owner. What it cannot change is left to the removal to report.
func allowDirectories(root *os.Root) {
	root.Chmod(".", 0o700)
	d, err := root.Open(".")
	if err != nil {
		return
	}
	entries, _ := d.ReadDir(-1)
	d.Close()
	for _, e := range entries {
		if e.Type()&fs.ModeType != fs.ModeDir {
			continue
		}
		if root.Chmod(e.Name(), 0o700) != nil {
			continue
		}
		if sub, err := root.OpenRoot(e.Name()); err == nil {
			allowDirectories(sub)
			sub.Close()
		}
	}
}

// replaceByRenames moves the older archive aside and the new one into place, for systems that cannot swap two names.
func replaceByRenames(made, target string) error {
	old := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".old")
	if err := removeTree(old); err != nil {
		return err
	}
	if err := os.Rename(target, old); err != nil {
		return err
	}
	if err := os.Rename(made, target); err != nil {
		if e := os.Rename(old, target); e != nil {
			return fmt.Errorf("%w (and the older archive stays at %s: %v)", err, old, e)
		}
		return err
	}
	return removeTree(old)
}
