package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks/runner"
)

// Run is one lifecycle event of a deployment whose scripts are to be run.
type Run struct {
	Event      string
	Archive    string // root of the revision whose scripts run
	Scripts    []appspec.Script
	Deployment Deployment
	Rules      EnvironmentRules
	// NoPowerShellProfile runs PowerShell scripts without profiles (disable_powershell_profile_in_hooks; Windows).
	NoPowerShellProfile bool
	// Dir is where the records of this run are kept. A run whose records are there already is taken up where it stands:
	// ended scripts do not run again, a running one is waited for. The caller removes it when the result is safe.
	Dir string
	// ScriptsLog and DeploymentsLog are appended to; an empty DeploymentsLog means none. Their directories exist.
	ScriptsLog, DeploymentsLog string
	LogMode                    fs.FileMode
	// Raw logs what the scripts print as it comes. Else control sequences of terminals are left out and other control characters are made
	// visible (sanitize_hook_output, which is the opposite).
	Raw bool
	// Live gets a copy of the output; nil means none. It is a file or has one, which its method File returns.
	Live io.Writer
	// Note is told which script begins and ends; nil means that nobody wants to know.
	Note func(step string)
	// Ended gets the record of each script that has ended; nil means that nobody wants to know.
	Ended func(appspec.Script, *runner.Record)
	Log   *zap.Logger
}

// Do runs the event's scripts in order and returns when the last has ended or one has failed; the error is then a *runner.Failure.
// A script goes on when ctx ends or the agent dies; Do then returns ctx's error, and a later Do with the same Dir
// waits for it. A script that ended without a record, because the host or the runner went down, fails the event with
// runner.CodeAfterRestart.
func (r *Run) Do(ctx context.Context) error {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot run the scripts of %s: %w", r.Event, err)
	}
	var tail runner.Tail
	for i, script := range r.Scripts {
		record, err := r.script(ctx, i, script)
		var vanished *vanishedError
		switch {
		case errors.As(err, &vanished):
			return &runner.Failure{Code: runner.CodeAfterRestart, Script: script.Location, Log: tail.String(),
				Message: fmt.Sprintf("script %s was interrupted: its process ended without a result, as when the host goes down; "+
					"whether it did its work is unknown", script.Location)}
		case err != nil:
			return fmt.Errorf("cannot run script %s of %s: %w", script.Location, r.Event, err)
		}
		for _, line := range record.Tail {
			tail.Add(line)
		}
		for _, w := range record.Warnings {
			r.Log.Warn(w, zap.String("script", script.Location))
		}
		if r.Ended != nil {
			r.Ended(script, record)
		}
		r.note("script %d ended, code %d: %s", i+1, record.Code, script.Location)
		r.Log.Info("script ended", zap.String("script", script.Location), zap.Int("exit_code", record.ExitCode),
			zap.String("signal", record.Signal), zap.Duration("took", record.Ended.Sub(record.Began)),
			zap.Duration("cpu", record.UserCPU+record.SystemCPU), zap.Int64("max_rss", record.MaxRSS))
		if record.Code != runner.CodeSuccess {
			return &runner.Failure{Code: record.Code, Script: script.Location, Message: record.Message, Log: tail.String()}
		}
	}
	return nil
}

func (r *Run) note(format string, args ...any) {
	if r.Note != nil {
		r.Note(fmt.Sprintf(format, args...))
	}
}

// vanishedError says that a script was begun and there is no telling how it ended.
type vanishedError struct{}

func (*vanishedError) Error() string { return "the script's process ended without a record" }

// script runs one script, or finds out what became of it.
func (r *Run) script(ctx context.Context, number int, script appspec.Script) (*runner.Record, error) {
	f := runner.FilesOf(r.Dir, number)
	if record, err := f.Record(); record != nil || err != nil {
		return record, err
	}
	if running, err := f.Running(); err != nil {
		return nil, err
	} else if running {
		r.Log.Info("waiting for a script that an earlier agent started", zap.String("script", script.Location))
		if record, begun, err := r.outcome(ctx, f); begun || err != nil {
			return record, err
		}
	}
	if begun, err := f.WasBegun(); err != nil {
		return nil, err
	} else if begun {
		record, _, err := r.outcome(ctx, f)
		return record, err
	}
	r.Log.Info("running script", zap.String("script", script.Location), zap.String("run_as", script.RunAs),
		zap.Bool("sudo", script.Sudo), zap.Duration("timeout", script.Timeout))
	r.note("script %d begun: %s", number+1, script.Location)
	job := runner.Job{
		Event: r.Event, Deployment: r.Deployment.ID, Archive: r.Archive, Location: script.Location, RunAs: script.RunAs,
		Sudo: script.Sudo, Timeout: script.Timeout, First: number == 0, ScriptsLog: r.ScriptsLog,
		DeploymentsLog: r.DeploymentsLog, LogMode: r.LogMode, Raw: r.Raw, Live: r.Live != nil,
		NoPowerShellProfile: r.NoPowerShellProfile,
	}
	env := Environment(os.Environ(), r.Event, r.Deployment, r.Rules)
	for try := 1; ; try++ {
		complaint, err := f.Start(ctx, job, env, r.Live)
		if err != nil {
			return nil, err
		}
		record, begun, err := r.outcome(ctx, f)
		if begun || err != nil {
			return record, err
		}
		why := complaint()
		if try == runnerTries {
			return nil, fmt.Errorf("its runner ended before it began the script: %s", why)
		}
		r.Log.Warn("the runner of a script ended before it began it; starting another one", zap.String("script", script.Location), zap.String("reason", why))
	}
}

// runnerTries is how often a script's runner is started that ends before it has begun the script, as when the host kills it for its memory.
const runnerTries = 3

// outcome waits until the script's runner has written its record or is gone, and returns the record. begun false means that the
// script was never started.
func (r *Run) outcome(ctx context.Context, f runner.Files) (record *runner.Record, begun bool, err error) {
	if err := f.Wait(ctx); err != nil {
		return nil, false, err
	}
	if begun, err = f.WasBegun(); err != nil || !begun {
		return nil, false, err
	}
	record, err = f.Record()
	if err == nil && record == nil {
		err = &vanishedError{}
	}
	return record, true, err
}

// TotalTimeout is the time the scripts may take together, zero when there is none.
func TotalTimeout(scripts []appspec.Script) time.Duration {
	var sum time.Duration
	for _, s := range scripts {
		sum += s.Timeout
	}
	return sum
}

// Progress is how far a run is whose records an earlier agent left.
type Progress struct {
	// Running says that its latest script still runs.
	Running bool
	// Vanished says that its latest script was begun, does not run and has left no record.
	Vanished bool
}

// ProgressOf says how far the run is whose records are in dir; one that was never begun is neither running nor vanished.
func ProgressOf(dir string) (Progress, error) {
	for n := 0; ; n++ {
		f := runner.FilesOf(dir, n)
		if known, err := f.HasJob(); err != nil {
			return Progress{}, fmt.Errorf("cannot find out how far the scripts are: %w", err)
		} else if !known {
			return Progress{}, nil
		}
		running, err := f.Running()
		if err != nil {
			return Progress{}, fmt.Errorf("cannot find out whether a script runs: %w", err)
		}
		if running {
			return Progress{Running: true}, nil
		}
		record, err := f.Record()
		if err != nil {
			return Progress{}, err
		}
		if record == nil {
			begun, err := f.WasBegun()
			return Progress{Vanished: begun}, err
		}
	}
}
