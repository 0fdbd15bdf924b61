// Package journal is the durable record of each host command's life: received, acknowledged, what was begun and ended, the result, and
// that the service has accepted it. A step is on disk before the agent acts on it, so that an agent that starts again finds everything
// it still owes.
//
// A command has one file of lines, each a JSON object with the time and the name of a step; the first one says what the command is. Lines
// are only appended: whatever a crash cuts short is the last line, which then does not count.
package journal

import (
	"bytes"
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
	"time"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/faultpoint"
)

// version is the form of the entries, for agents to come.
const version = 2

// The names of an entry's file, of one that cannot be read, and of the directory beside it.
const (
	suffix    = ".journal"
	damaged   = ".damaged"
	runSuffix = ".run"
)

// The steps that the agent relies on. Others are for people.
const (
	stepReceived     = "received"
	stepAcknowledged = "acknowledged"
	stepEnded        = "ended"
	stepOffered      = "offered"
	stepAccepted     = "accepted"
)

// Entry is one host command's record. It has one owner at a time.
type Entry struct {
	CommandID, CommandName, ExecutionID, DeploymentID string
	// Specification is the verified content of the deployment specification. It may hold a GitHub token: entries are 0600.
	Specification json.RawMessage
	Began         time.Time
	// Acknowledged says that the service has answered the acknowledgement.
	Acknowledged bool
	// Result is nil while the command has not ended.
	Result *Result
	// Offered says that the result was about to be sent: the service may have it.
	Offered bool

	recorded bool // there is a file
	accepted bool
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

// line is one step on disk. The command's own fields are set in the first line only.
type line struct {
	At            time.Time       `json:"at"`
	Step          string          `json:"step"`
	Version       int             `json:"version,omitempty"`
	CommandID     string          `json:"command_id,omitempty"`
	CommandName   string          `json:"command_name,omitempty"`
	ExecutionID   string          `json:"execution_id,omitempty"`
	DeploymentID  string          `json:"deployment_id,omitempty"`
	Specification json.RawMessage `json:"specification,omitempty"`
	Result        *Result         `json:"result,omitempty"`
}

// Journal is a directory of entries. Its methods may be called from several goroutines for different entries.
type Journal struct {
	dir string
	now func() time.Time
}

// Open opens the journal in dir, which is made with mode 0700 if it is not there.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the journal: %w", err)
	}
	return &Journal{dir: dir, now: time.Now}, nil
}

// Begin records that the command was received. When it returns, the entry survives a power loss.
func (j *Journal) Begin(e *Entry) error { return j.append(e, true) }

// Acknowledged records that the service has answered the acknowledgement. It survives the agent's death; after a power loss
// the command is acknowledged again.
func (j *Journal) Acknowledged(e *Entry) error {
	e.Acknowledged = true
	return j.append(e, false, line{Step: stepAcknowledged})
}

// Note records a step of the command's execution for people who look at the journal.
func (j *Journal) Note(e *Entry, step string) error { return j.append(e, false, line{Step: step}) }

// End records the command's result, e.Result. When it returns, the result survives a power loss.
func (j *Journal) End(e *Entry) error {
	return j.append(e, true, line{Step: stepEnded, Result: e.Result})
}

// Offered records that the result is about to be sent. An agent that dies then has to ask whether it arrived.
func (j *Journal) Offered(e *Entry) error {
	e.Offered = true
	return j.append(e, false, line{Step: stepOffered})
}

// Accepted records that the service has the result, and forgets the entry with all that belongs to the command.
func (j *Journal) Accepted(e *Entry) error {
	e.accepted = true
	if e.recorded {
		if err := j.append(e, false, line{Step: stepAccepted}); err != nil {
			return errors.Join(err, j.Remove(e))
		}
	}
	return j.Remove(e)
}

// Remove forgets the entry and all that belongs to the command.
func (j *Journal) Remove(e *Entry) error {
	if err := os.RemoveAll(j.RunDir(e.CommandID)); err != nil {
		return fmt.Errorf("cannot remove the records of host command %s: %w", e.CommandID, err)
	}
	if err := faultpoint.At("journal remove"); err != nil {
		return err
	}
	if err := os.Remove(j.path(e.CommandID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the record of host command %s: %w", e.CommandID, err)
	}
	e.recorded = false
	return nil
}

// append writes lines at the end of the entry's file, which begins with what the command is. Either all of them are written or none.
func (j *Journal) append(e *Entry, sync bool, lines ...line) (err error) {
	name := stepReceived
	if len(lines) > 0 {
		name = lines[len(lines)-1].Step
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot record that host command %s is %s: %w", e.CommandID, name, err)
		}
	}()
	created := !e.recorded
	if created {
		lines = append([]line{{Step: stepReceived, Version: version, CommandID: e.CommandID, CommandName: e.CommandName, ExecutionID: e.ExecutionID,
			DeploymentID: e.DeploymentID, Specification: e.Specification}}, lines...)
	}
	var text bytes.Buffer
	for _, l := range lines {
		l.At = j.now()
		data, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text.Write(data)
		text.WriteByte('\n')
	}
	point := "journal step"
	if slices.Contains([]string{stepReceived, stepAcknowledged, stepEnded, stepOffered, stepAccepted}, name) {
		point = "journal " + name
	}
	if err := faultpoint.At(point); err != nil {
		return err
	}
	f, err := os.OpenFile(j.path(e.CommandID), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := j.write(f, text.Bytes(), sync); err != nil {
		return err
	}
	e.recorded = true
	if created && sync {
		if err := durable.SyncDir(j.dir); err != nil {
			return err
		}
	}
	return faultpoint.At(point + " recorded")
}

func (j *Journal) write(f *os.File, text []byte, sync bool) (err error) {
	before, err := f.Seek(0, 2)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.Write(text)
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil { // half a line would spoil the next one
		return errors.Join(err, f.Truncate(before), f.Close())
	}
	return f.Close()
}

// RunDir is where the records of the command's scripts are kept. It is removed with the entry.
func (j *Journal) RunDir(commandID string) string {
	return strings.TrimSuffix(j.path(commandID), suffix) + runSuffix
}

// Pending returns the entries whose results the service has not accepted, in the order in which they were begun, and what was wrong with
// those that cannot be read. The latter are set aside under another name and do not keep the others from being processed.
// It is for an agent that starts: it also tidies up what an earlier one could not.
func (j *Journal) Pending() ([]*Entry, []error) {
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, []error{fmt.Errorf("cannot read the journal: %w", err)}
	}
	var entries []*Entry
	var problems []error
	owned := map[string]bool{}
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), suffix) {
			continue
		}
		e, err := j.read(filepath.Join(j.dir, n.Name()))
		switch {
		case err != nil:
			problems = append(problems, err)
		case e == nil: // cut short before anything was done
		case e.accepted:
			if err := j.Remove(e); err != nil {
				problems = append(problems, err)
			}
		default:
			entries = append(entries, e)
			owned[filepath.Base(j.RunDir(e.CommandID))] = true
		}
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), runSuffix) && !owned[n.Name()] {
			if err := os.RemoveAll(filepath.Join(j.dir, n.Name())); err != nil {
				problems = append(problems, fmt.Errorf("cannot remove the records of an earlier host command: %w", err))
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b *Entry) int { return a.Began.Compare(b.Began) })
	return entries, problems
}

// read returns the entry of a file, or nil if not even its first line was written.
func (j *Journal) read(path string) (*Entry, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, setAside(path, err)
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if len(whole) == 0 {
		return nil, os.Remove(path)
	}
	if len(whole) < len(data) {
		if err := os.Truncate(path, int64(len(whole))); err != nil {
			return nil, fmt.Errorf("cannot repair journal entry %s: %w", path, err)
		}
	}
	e := &Entry{recorded: true}
	for n, text := range bytes.Split(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n")) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			if n == 0 {
				return nil, setAside(path, err)
			}
			continue // what the other lines say still holds
		}
		if n == 0 {
			if l.Step != stepReceived || l.CommandID == "" || l.Version != version {
				return nil, setAside(path, fmt.Errorf("it begins with step %q of version %d and names the command %q", l.Step, l.Version, l.CommandID))
			}
			if j.path(l.CommandID) != path {
				return nil, setAside(path, fmt.Errorf("it is about the command %s, which has another name", l.CommandID))
			}
			e.CommandID, e.CommandName, e.ExecutionID, e.DeploymentID = l.CommandID, l.CommandName, l.ExecutionID, l.DeploymentID
			e.Specification, e.Began = l.Specification, l.At
		}
		switch l.Step {
		case stepAcknowledged:
			e.Acknowledged = true
		case stepEnded:
			e.Result = l.Result
		case stepOffered:
			e.Offered = true
		case stepAccepted:
			e.accepted = true
		}
	}
	return e, nil
}

// setAside renames an entry that cannot be read and says so.
func setAside(path string, why error) error {
	aside := path + damaged
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("cannot read journal entry %s: %w; nor set it aside: %w", path, why, err)
	}
	return fmt.Errorf("cannot read journal entry %s: %w; it is kept as %s", path, why, aside)
}

// path names the entry after a digest: the service's identifiers are long and may hold any character.
func (j *Journal) path(commandID string) string {
	sum := sha256.Sum256([]byte(commandID))
	return filepath.Join(j.dir, hex.EncodeToString(sum[:16])+suffix)
}
