package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Prune removes the group's oldest deployments (by modification time) so that keep remain, current included. The last
// successful install is never removed. Like the official agent it counts every deployment directory of the group.
// It returns the directories it removed; a directory that cannot be removed is an error, after the others were tried.
func (s *Store) Prune(current Deployment, keep int) ([]string, error) {
	groupDir := filepath.Join(s.root, current.Group)
	entries, err := os.ReadDir(groupDir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the revisions of deployment group %s: %w", current.Group, err)
	}
	last, hasLast, err := s.LastSuccessful(current.Group)
	if err != nil {
		return nil, err
	}
	type old struct {
		dir  string
		time time.Time
	}
	var others []old
	count := 1 // current
	for _, e := range entries {
		dir := filepath.Join(groupDir, e.Name())
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || dir == current.Dir {
			continue
		}
		count++
		if hasLast && dir == filepath.Clean(last.Dir) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		others = append(others, old{dir, info.ModTime()})
	}
	slices.SortStableFunc(others, func(a, b old) int { return cmp.Compare(a.time.UnixNano(), b.time.UnixNano()) })
	extra := min(max(count-keep, 0), len(others))
	var removed []string
	var failures []error
	for _, o := range others[:extra] {
		if err := os.RemoveAll(o.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, fmt.Errorf("cannot remove old revision: %w", err))
			continue
		}
		removed = append(removed, o.dir)
	}
	return removed, errors.Join(failures...)
}
