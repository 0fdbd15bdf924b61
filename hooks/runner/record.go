package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"codedeploy-agent/hooks/faultpoint"
)

// Job is one script to run, as the agent hands it to the runner process. The script's environment is the runner's own.
type Job struct {
	Event      string `json:"event"`
	Deployment string `json:"deployment"`
	Archive    string `json:"archive"` // root of the revision whose script it is
	Location   string `json:"location"`
	RunAs      string `json:"run_as,omitempty"`
	Sudo       bool   `json:"sudo,omitempty"`
	// NoPowerShellProfile runs PowerShell scripts without profiles.
	NoPowerShellProfile bool `json:"no_powershell_profile,omitempty"`
	// Timeout is how long the script may take.
	Timeout time.Duration `json:"timeout"`
	// First is set for the first script of the event, before which the event is logged.
	First bool `json:"first,omitempty"`
	// ScriptsLog and DeploymentsLog are files to append to; an empty DeploymentsLog means none.
	ScriptsLog     string `json:"scripts_log"`
	DeploymentsLog string `json:"deployments_log,omitempty"`
	// LogMode is the mode of logs that the runner creates.
	LogMode fs.FileMode `json:"log_mode"`
	// Raw logs the output as it comes; see Run.Raw.
	Raw bool `json:"raw,omitempty"`
	// Live copies each line of output to the runner's standard output, for a local deployment.
	Live bool `json:"live,omitempty"`
}

// Record is what the runner leaves when the script has ended: its result and the end of its output.
type Record struct {
	Code     int       `json:"code"`
	Message  string    `json:"message,omitempty"`
	Tail     []string  `json:"tail,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	// ExitCode is -1 when the script was ended by a signal or never started.
	ExitCode int    `json:"exit_code"`
	Signal   string `json:"signal,omitempty"`
	// UserCPU, SystemCPU and MaxRSS (bytes) are what the script and the children it waited for used.
	UserCPU   time.Duration `json:"user_cpu,omitempty"`
	SystemCPU time.Duration `json:"system_cpu,omitempty"`
	MaxRSS    int64         `json:"max_rss,omitempty"`
}

// Files are the traces of one script's run: what is to be done, the mark that it was begun, what came of it, and a file that the runner keeps
// locked until it has written the latter.
type Files struct {
	dir                      string
	number                   int
	job, begun, record, lock string
}

// FilesOf are the traces of a script of an event, whose number counts from 0. They are in the directory dir.
func FilesOf(dir string, script int) Files {
	base := filepath.Join(dir, strconv.Itoa(script))
	return Files{dir: dir, number: script, job: base + ".job", begun: base + ".begun", record: base + ".record", lock: base + ".lock"}
}

// HasJob says whether the script was ever to be run.
func (f Files) HasJob() (bool, error) {
	_, err := os.Stat(f.job)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// WasBegun says whether the script has been started, so that it must not be started again.
func (f Files) WasBegun() (bool, error) {
	for _, path := range []string{f.begun, f.record} {
		_, err := os.Lstat(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// Record returns what the runner has left, nil without an error if it has left nothing.
func (f Files) Record() (*Record, error) {
	data, err := os.ReadFile(f.record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record of a script: %w", err)
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("cannot read the record of a script, %s: %w", f.record, err)
	}
	return r, nil
}

// Running says whether the script's runner lives and has written no record yet.
func (f Files) Running() (bool, error) { return locked(f.lock) }

// Wait returns when the runner has written its record or is gone, or ctx has ended.
func (f Files) Wait(ctx context.Context) error {
	free := make(chan error, 1)
	go func() { free <- lockAndRelease(f.lock) }()
	select {
	case err := <-free:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeJob leaves the job for the runner. It need not survive a power loss: a script that has no mark was not begun.
func writeJob(path string, job Job) error {
	data, err := json.Marshal(job)
	if err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// reserved is the room that a record is sure to find on a disk that becomes full while its script runs.
const reserved = 16 << 10

// begin makes the mark that the script is begun, which survives a power loss, and keeps room in it for the record.
func (f Files) begin() (err error) {
	if err := faultpoint.At("runner begin"); err != nil {
		return err
	}
	mark, err := os.OpenFile(f.begun, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = mark.Write(bytes.Repeat([]byte(" "), reserved))
	if err = errors.Join(err, mark.Sync(), mark.Close()); err == nil {
		err = syncDir(filepath.Dir(f.begun))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.begun))
	}
	return faultpoint.At("runner begun")
}

// finish writes the record in the place of the mark and makes it durable.
func (f Files) finish(r *Record) error {
	if err := faultpoint.At("runner finish"); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	mark, err := os.OpenFile(f.begun, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = mark.Write(data)
	if err = errors.Join(err, mark.Truncate(int64(len(data))), mark.Sync(), mark.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.begun, f.record); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(f.record)); err != nil {
		return err
	}
	return faultpoint.At("runner finished")
}
