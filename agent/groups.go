package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Groups lets only one command of a deployment group run at a time, also across the processes of a host: the daemon and
// local deployments share a state directory.
type Groups struct {
	stateDir string
	mu       sync.Mutex
	on       map[string]chan struct{} // holds a token while the group is free
}

// NewGroups returns the locks below the state directory.
func NewGroups(stateDir string) *Groups {
	return &Groups{stateDir: stateDir, on: map[string]chan struct{}{}}
}

// Lock waits until no other command of the group runs, or ctx ends. The caller must call unlock.
func (g *Groups) Lock(ctx context.Context, group string) (unlock func(), err error) {
	g.mu.Lock()
	free, ok := g.on[group]
	if !ok {
		free = make(chan struct{}, 1)
		free <- struct{}{}
		g.on[group] = free
	}
	g.mu.Unlock()
	select {
	case <-free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	file, err := g.lockFile(ctx, group)
	if err != nil {
		free <- struct{}{}
		return nil, err
	}
	return func() {
		file.Close() // releases the lock
		free <- struct{}{}
	}, nil
}

func (g *Groups) lockFile(ctx context.Context, group string) (*os.File, error) {
	dir, err := makeState(g.stateDir, "groups")
	if err != nil {
		return nil, fmt.Errorf("cannot lock deployment group %s: %w", group, err)
	}
	sum := sha256.Sum256([]byte(group))
	f, err := os.OpenFile(filepath.Join(dir, hex.EncodeToString(sum[:8])+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock deployment group %s: %w", group, err)
	}
	if err := waitLock(ctx, f); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock deployment group %s: %w", group, err)
	}
	return f, nil
}

// Lock makes sure that a state directory has one daemon. The lock ends with the process or when unlock is called.
func Lock(stateDir string) (unlock func(), err error) {
	if _, err := makeState(stateDir, "."); err != nil {
		return nil, fmt.Errorf("cannot create the state directory: %w", err)
	}
	path := filepath.Join(stateDir, "agent.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the state directory: %w", err)
	}
	if !tryLock(f) {
		f.Close()
		return nil, fmt.Errorf("cannot start: another agent is running with the state directory %s", stateDir)
	}
	return func() { f.Close() }, nil
}

// Running says whether an agent runs with the state directory. It changes nothing there.
func Running(stateDir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(stateDir, "agent.lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot find out whether an agent is running: %w", err)
	}
	defer f.Close()
	return !tryLock(f), nil
}
