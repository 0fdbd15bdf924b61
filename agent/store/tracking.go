package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// trackingLife is how long a tracking file counts (official agents: 24 hours by modification time).
	trackingLife = 24 * time.Hour
	// maxHostCommand is how long a host command's identifier may be (official agent 2.x).
	maxHostCommand = 4096
)

// Track notes that a command of the deployment is being executed: a file named after the deployment that holds the host
// command's identifier. Other tooling reads it; our own recovery relies on the journal.
func (s *Store) Track(deployment, hostCommand string) error {
	dir := filepath.Join(s.root, s.tracking)
	if err := s.makeDir(dir, s.mode(0o755, 0o700)); err != nil {
		return err
	}
	return s.write(filepath.Join(dir, deployment), hostCommand)
}

// Untrack removes the deployment's tracking file.
func (s *Store) Untrack(deployment string) error {
	err := os.Remove(filepath.Join(s.root, s.tracking, deployment))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the tracking file of deployment %s: %w", deployment, err)
	}
	return nil
}

// Tracked is a deployment with a tracking file.
type Tracked struct {
	Deployment, HostCommand string
}

// Tracked lists the tracking files that an agent left behind. What else lies in their directory is removed and told of, a file that is
// too old or damaged or a temporary one: it must neither keep the others from being reported nor an official agent, which takes every
// entry there for a deployment, from stopping.
func (s *Store) Tracked(now time.Time) (tracked []Tracked, problems []error) {
	dir := filepath.Join(s.root, s.tracking)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("cannot list interrupted deployments: %w", err)}
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		id, err := readTracking(path, now)
		if err == nil {
			tracked = append(tracked, Tracked{Deployment: e.Name(), HostCommand: id})
			continue
		}
		err = fmt.Errorf("nothing is reported for the tracking file %s: %w", path, err)
		if removeErr := os.Remove(path); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = fmt.Errorf("%w; it stays, because it cannot be removed (%w): look at it and remove it", err, removeErr)
		}
		problems = append(problems, err)
	}
	return tracked, problems
}

// readTracking returns the host command's identifier in a tracking file.
func readTracking(path string, now time.Time) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(filepath.Base(path), "."):
		return "", errors.New("it is the temporary file of an agent that was interrupted while it wrote")
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a regular file")
	case now.Sub(info.ModTime()) > trackingLife:
		return "", fmt.Errorf("it is from %s, and the service gives a deployment up long before a day has passed", info.ModTime().Format(time.RFC3339))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHostCommand+2)) // a line end may follow
	if err != nil {
		return "", err
	}
	id := strings.TrimRight(string(data), " \t\r\n")
	switch {
	case id == "":
		return "", errors.New("it is empty")
	case len(id) > maxHostCommand:
		return "", fmt.Errorf("it has more than %d characters", maxHostCommand)
	case strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", errors.New("it is damaged: it holds characters that no host command's identifier has")
	}
	return id, nil
}
