package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
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

// files are the paths of one script's run: what is to be done, what came of it, and a file that the runner keeps locked
// until it has written the latter.
type files struct{ job, record, lock string }

func filesOf(dir string, script int) files {
	base := filepath.Join(dir, strconv.Itoa(script))
	return files{job: base + ".job", record: base + ".record", lock: base + ".lock"}
}

// readRecord returns nil without an error when there is no record.
func readRecord(path string) (*Record, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record of a script: %w", err)
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("cannot read the record of a script, %s: %w", path, err)
	}
	return r, nil
}

// writeJSON replaces path durably: the file is synced before it gets its name, the directory after.
func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".record.*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}
