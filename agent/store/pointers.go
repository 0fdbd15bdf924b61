package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"codedeploy-agent/agent/durable"
)

const lastSuccessful = "_last_successful_install"

// LastSuccessfulFile is the path of the file that names the group's last successful install.
func (s *Store) LastSuccessfulFile(group string) string {
	return filepath.Join(s.root, instructionsDir, group+lastSuccessful)
}

// Groups returns the deployment groups that have a last successful install, in the order of their names.
func (s *Store) Groups() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, instructionsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot look for deployment groups: %w", err)
	}
	var groups []string
	for _, e := range entries {
		if group, ok := strings.CutSuffix(e.Name(), lastSuccessful); ok && group != "" {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// LastSuccessful returns the deployment whose Install was the group's last to succeed; ok is false when there is none.
func (s *Store) LastSuccessful(group string) (d Deployment, ok bool, err error) {
	return s.pointer(group + lastSuccessful)
}

// MostRecent returns the deployment whose DownloadBundle was the group's last to succeed; ok is false when there is none.
func (s *Store) MostRecent(group string) (d Deployment, ok bool, err error) {
	return s.pointer(group + "_most_recent_install")
}

// SetLastSuccessful makes d the group's last successful install.
func (s *Store) SetLastSuccessful(d Deployment) error {
	return s.setPointer(d.Group+lastSuccessful, d)
}

// SetMostRecent makes d the group's most recent download.
func (s *Store) SetMostRecent(d Deployment) error {
	return s.setPointer(d.Group+"_most_recent_install", d)
}

func (s *Store) pointer(name string) (Deployment, bool, error) {
	path := filepath.Join(s.root, instructionsDir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Deployment{}, false, nil
	}
	if err != nil {
		return Deployment{}, false, fmt.Errorf("cannot read which revision was installed last: %w", err)
	}
	if err := s.guard.CheckInPlace(path); err != nil { // it says whose scripts are run
		return Deployment{}, false, fmt.Errorf("cannot tell which revision was installed last: %w", err)
	}
	dir := strings.TrimSpace(string(data))
	if dir == "" {
		return Deployment{}, false, nil
	}
	return s.At(dir), true, nil
}

func (s *Store) setPointer(name string, d Deployment) error {
	if err := s.MakeInstructions(); err != nil {
		return err
	}
	// No newline at the end: the official agents take the whole content as the path.
	return s.write(filepath.Join(s.root, instructionsDir, name), d.Dir)
}

func (s *Store) write(path, content string) error {
	return durable.WriteFile(path, []byte(content), s.FileMode())
}
