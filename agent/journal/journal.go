// Package journal is the durable record of each host command: what was begun, how it ended, and whether the service has
// accepted the result. An entry is written before the command is acknowledged and removed only when the service has
// taken its result, so that an agent that starts again finds everything it still owes.
package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"codedeploy-agent/agent/durable"
)

// version is the form of the entries, for agents to come.
const version = 1

// suffix of entries; a damaged one is renamed to suffix+damaged.
const (
	suffix  = ".json"
	damaged = ".damaged"
)

// Entry is one host command's record.
type Entry struct {
	Version     int    `json:"version"`
	CommandID   string `json:"command_id"`
	CommandName string `json:"command_name"`
	ExecutionID string `json:"execution_id"`
	// Specification is the verified content of the deployment specification. It may hold a GitHub token: entries are 0600.
	Specification json.RawMessage `json:"specification,omitempty"`
	DeploymentID  string          `json:"deployment_id,omitempty"`
	Began         time.Time       `json:"began"`
	// Result is nil while the command has not ended.
	Result *Result `json:"result,omitempty"`
}

// Result is how a command ended.
type Result struct {
	// Status is "Succeeded" or "Failed".
	Status     string    `json:"status"`
	ErrorCode  int       `json:"error_code"`
	ScriptName string    `json:"script_name"`
	Message    string    `json:"message"`
	Log        string    `json:"log"`
	Ended      time.Time `json:"ended"`
}

// Journal is a directory of entries. Its methods may be called from several goroutines; each entry has one owner.
type Journal struct {
	dir string
	mu  sync.Mutex
}

// Open opens the journal in dir, which is made with mode 0700 if it is not there.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the journal: %w", err)
	}
	return &Journal{dir: dir}, nil
}

// Save writes the entry; when it returns, the entry survives a power loss.
func (j *Journal) Save(e *Entry) error {
	e.Version = version
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot record host command %s: %w", e.CommandID, err)
	}
	if err := durable.WriteFile(j.path(e.CommandID), data, 0o600); err != nil {
		return fmt.Errorf("cannot record host command %s: %w", e.CommandID, err)
	}
	return nil
}

// Remove forgets the entry and all that belongs to the command: the service has its result.
func (j *Journal) Remove(commandID string) error {
	if err := durable.Remove(j.path(commandID)); err != nil {
		return fmt.Errorf("cannot remove the record of host command %s: %w", commandID, err)
	}
	return os.RemoveAll(j.RunDir(commandID))
}

// RunDir is where the records of the command's scripts are kept. It is removed with the entry.
func (j *Journal) RunDir(commandID string) string {
	return strings.TrimSuffix(j.path(commandID), suffix) + ".run"
}

// Pending returns the entries in the order in which they were begun, and what was wrong with those that cannot be read.
// The latter are set aside under another name and do not keep the others from being processed.
func (j *Journal) Pending() ([]*Entry, []error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, []error{fmt.Errorf("cannot read the journal: %w", err)}
	}
	var entries []*Entry
	var problems []error
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), suffix) || strings.HasPrefix(n.Name(), ".") {
			continue
		}
		e, err := read(filepath.Join(j.dir, n.Name()))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b *Entry) int { return a.Began.Compare(b.Began) })
	return entries, problems
}

func read(path string) (*Entry, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	e := new(Entry)
	if err == nil {
		err = json.Unmarshal(data, e)
	}
	if err == nil && (e.CommandID == "" || e.Version > version) {
		err = fmt.Errorf("it is of version %d or names no command", e.Version)
	}
	if err != nil {
		aside := path + damaged
		if renameErr := os.Rename(path, aside); renameErr != nil {
			return nil, fmt.Errorf("cannot read journal entry %s: %w; nor set it aside: %w", path, err, renameErr)
		}
		return nil, fmt.Errorf("cannot read journal entry %s: %w; it is kept as %s", path, err, aside)
	}
	return e, nil
}

// path names the entry after a digest: the service's identifiers are long and may hold any character.
func (j *Journal) path(commandID string) string {
	sum := sha256.Sum256([]byte(commandID))
	return filepath.Join(j.dir, hex.EncodeToString(sum[:16])+suffix)
}
