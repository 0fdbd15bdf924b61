package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// trackingLife is how long a tracking file counts (official agent: 24 hours by modification time).
const trackingLife = 24 * time.Hour

// Track notes that a command of the deployment is being executed: a file named after the deployment that holds the host
// command's identifier. Other tooling reads it; our own recovery relies on the journal.
func (s *Store) Track(deployment, hostCommand string) error {
	dir := filepath.Join(s.root, s.tracking)
	if err := s.makeDirs(dir); err != nil {
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

// Tracked lists the tracking files that an agent left behind. Stale, empty and unreadable ones are removed and left out:
// one odd file must not keep the others from being reported.
func (s *Store) Tracked(now time.Time) ([]Tracked, error) {
	dir := filepath.Join(s.root, s.tracking)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list interrupted deployments: %w", err)
	}
	var out []Tracked
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, err := os.ReadFile(path)
		id := strings.TrimSpace(string(data))
		if err != nil || id == "" || len(id) > 4096 || now.Sub(info.ModTime()) > trackingLife || strings.HasPrefix(e.Name(), ".") {
			os.Remove(path)
			continue
		}
		out = append(out, Tracked{Deployment: e.Name(), HostCommand: id})
	}
	return out, nil
}
