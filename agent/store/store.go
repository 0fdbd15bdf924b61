// Package store is the deployment root on disk: where revisions, logs, clean-up lists and the pointers between them live.
// The layout, names and modes are the official agent's, so that a host can change agents in both directions.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/disk"
)

// Names of the official layout below the deployment root.
const (
	instructionsDir = "deployment-instructions"
	logsDir         = "deployment-logs"
	bundleName      = "bundle.tar" // whatever the bundle's format is
	archiveName     = "deployment-archive"
	etagName        = ".bundle-etag"
)

// Store is a deployment root. Its methods may be called from several goroutines for different deployment groups;
// for one group the caller sees to it that only one command runs at a time.
type Store struct {
	root       string
	program    string
	tracking   string
	restricted bool
	guard      *custody.Guard
}

// Options says where a Store is and how it is kept.
type Options struct {
	Root string // absolute path of root_dir
	// Program is program_name; it names the log of all deployments.
	Program string
	// Tracking is ongoing_deployment_tracking, a directory below Root.
	Tracking string
	// Restricted keeps directories and state files from other users (restrict_agent_dir_permissions, official agent 2.x).
	Restricted bool
	// Guard judges records of what is installed that others can write. nil refuses them.
	Guard *custody.Guard
}

// New returns the store at o.Root. Nothing is created before it is needed.
func New(o Options) *Store {
	return &Store{root: o.Root, program: o.Program, tracking: o.Tracking, restricted: o.Restricted, guard: o.Guard}
}

// Root is the absolute path of the deployment root.
func (s *Store) Root() string { return s.root }

// Restricted says whether state files are kept from other users.
func (s *Store) Restricted() bool { return s.restricted }

// DirMode is the mode of the directories that hooks of other users must get through: the root, groups, deployments, archives.
func (s *Store) DirMode() fs.FileMode { return s.mode(0o755, 0o711) }

// FileMode is the mode of bundles and of the store's own files.
func (s *Store) FileMode() fs.FileMode { return s.mode(0o644, 0o600) }

// LogMode is the mode of the logs of hooks.
func (s *Store) LogMode() fs.FileMode { return s.mode(0o644, 0o640) }

func (s *Store) mode(open, restricted fs.FileMode) fs.FileMode {
	if s.restricted {
		return restricted
	}
	return open
}

// makeDir creates the directory path, which is the root or lies below it, with its last part in the given mode and those before it in
// DirMode, whatever the umask. Where the store is restricted, directories from before it was are restricted, too.
func (s *Store) makeDir(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(s.root), 0o755); err != nil {
		return fmt.Errorf("cannot create the deployment root: %w", disk.Explain(err, s.root, 0))
	}
	rel, err := filepath.Rel(s.root, path)
	if err != nil {
		return err
	}
	dirs := []string{s.root}
	if rel != "." {
		for at := range strings.SplitSeq(rel, string(filepath.Separator)) {
			dirs = append(dirs, filepath.Join(dirs[len(dirs)-1], at))
		}
	}
	for i, dir := range dirs {
		want := s.DirMode()
		if i > 0 && i == len(dirs)-1 {
			want = mode
		}
		if err := s.provide(dir, want); err != nil {
			return fmt.Errorf("cannot create a directory of the deployment root: %w", disk.Explain(err, s.root, 0))
		}
	}
	return nil
}

// provide makes one directory. One that is there keeps its mode, less what a restricted store takes away.
func (s *Store) provide(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	if err == nil {
		return os.Chmod(dir, mode)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; move it away", dir)
	case s.restricted && info.Mode().Perm()&^mode != 0:
		return os.Chmod(dir, info.Mode()&^(fs.ModePerm&^mode))
	}
	return nil
}

// Deployment is the directory of one deployment of one group.
type Deployment struct {
	store     *Store
	Group, ID string
	Dir       string
}

// Deployment returns the place of a deployment. Both ids must be single path components, which
// command.ParseSpecification guarantees.
func (s *Store) Deployment(group, id string) Deployment {
	return Deployment{store: s, Group: group, ID: id, Dir: filepath.Join(s.root, group, id)}
}

// At returns the deployment whose directory is dir, as a pointer file names it.
func (s *Store) At(dir string) Deployment {
	return Deployment{store: s, Group: filepath.Base(filepath.Dir(dir)), ID: filepath.Base(dir), Dir: dir}
}

// Create makes the deployment's directory.
func (d Deployment) Create() error { return d.store.makeDir(d.Dir, d.store.DirMode()) }

// Bundle is the path of the bundle as it came.
func (d Deployment) Bundle() string { return filepath.Join(d.Dir, bundleName) }

// Archive is the path of the unpacked revision.
func (d Deployment) Archive() string { return filepath.Join(d.Dir, archiveName) }

// ETag is the downloaded bundle's ETag without quotes as the official agent 2.x has noted it; empty if nobody has.
func (d Deployment) ETag() string {
	data, err := os.ReadFile(filepath.Join(d.Dir, etagName))
	if err != nil {
		return ""
	}
	etag := strings.Trim(strings.TrimSpace(string(data)), `"`)
	if len(etag) > maxETag || strings.ContainsFunc(etag, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "" // what is damaged tells nothing
	}
	return etag
}

// maxETag is far longer than S3's ETags.
const maxETag = 256

// SetETag notes an ETag for the deployment, for a revision that is taken over with its own. Downloads do not: official agent 1.8 has no such
// file, and the variable BUNDLE_ETAG only where the deployment specification names the ETag.
func (d Deployment) SetETag(etag string) error {
	return d.store.write(filepath.Join(d.Dir, etagName), etag)
}

// HasArchive says whether the revision has been unpacked.
func (d Deployment) HasArchive() bool {
	_, err := os.Stat(d.Archive())
	return err == nil
}

// MarkBundle leaves an empty bundle where a download failed and there is none, as the official agent 1.8 does.
func (d Deployment) MarkBundle() error {
	f, err := os.OpenFile(d.Bundle(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, d.store.FileMode())
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot mark the download as failed: %w", err)
	}
	return f.Close()
}

// MarkArchive leaves an empty archive where a revision could not be unpacked and there is none, as the official agents do: what
// the service still asks of this deployment then finds no AppSpec, and does not run the scripts of an earlier revision instead.
func (d Deployment) MarkArchive() error {
	if err := d.store.makeDir(d.Archive(), d.store.DirMode()); err != nil {
		return fmt.Errorf("cannot mark the revision as not unpacked: %w", err)
	}
	return nil
}

// ScriptsLog is the path of the log of the deployment's hooks.
func (d Deployment) ScriptsLog() string { return filepath.Join(d.Dir, "logs", "scripts.log") }

// MakeLogs creates the directory of the deployment's log.
func (d Deployment) MakeLogs() error {
	return d.store.makeDir(filepath.Dir(d.ScriptsLog()), d.store.mode(0o755, 0o750))
}

// MakeDeploymentLogs creates the directory of the log of all deployments.
func (s *Store) MakeDeploymentLogs() error {
	return s.makeDir(filepath.Join(s.root, logsDir), s.mode(0o755, 0o750))
}

// MakeInstructions creates the directory of the pointers and lists.
func (s *Store) MakeInstructions() error {
	return s.makeDir(filepath.Join(s.root, instructionsDir), s.mode(0o755, 0o700))
}

// DeploymentsLog is the log in which the output of the hooks of all deployments comes together.
func (s *Store) DeploymentsLog() string {
	return filepath.Join(s.root, logsDir, s.program+"-deployments.log")
}

// CleanupFile lists what the latest Install of the group created, for the next Install to remove.
func (s *Store) CleanupFile(group string) string {
	return filepath.Join(s.root, instructionsDir, group+"-cleanup")
}

// InstructionsFile is what the latest Install of the group was going to do.
func (s *Store) InstructionsFile(group string) string {
	return filepath.Join(s.root, instructionsDir, group+"-install.json")
}
