// Package runner is the process that runs one script of a lifecycle event, and what the agent has to do with it: to start it, to wait for it and to
// read what it has left. A program that imports the package is a runner when it is started with Command.
//
// The package imports little, so that it is ready early, see init.
package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"codedeploy-agent/appspec/plaintext"
	"codedeploy-agent/hooks/faultpoint"
)

// Command is the hidden sub-command under which the agent's binary is the runner of one script. Its arguments are
// the directory of the event's run and the script's number.
const Command = "hook-runner"

const (
	// killGrace is how long a script that ran out of time has between SIGTERM and SIGKILL (official agent 2.x).
	killGrace = 5 * time.Second
	// outputGrace is how long a script's children may go on writing after it ended before its result counts without them.
	// What the script itself wrote is in the pipe by then; see caughtUp.
	outputGrace = 300 * time.Millisecond
)

// recordTries is how often, a second apart, the runner tries to write its record: a result must not be lost for a disk that is in trouble for
// a moment.
const recordTries = 60

// lockFD is the file descriptor of the lock that the agent hands down: it is free again when the record is written or
// the runner is gone.
const lockFD = 3

// The runner begins here and not in main. What the packages of the agent make ready for themselves before main is a third of what a runner costs,
// and this package, which needs few others, is made ready before most of them.
func init() {
	if len(os.Args) == 4 && os.Args[1] == Command {
		os.Exit(execute(os.Args[2], os.Args[3]))
	}
}

// execute is the runner process. It runs one script to its end, writes its record, and stays until nothing holds the
// script's output open any more, so that a server that the script left behind never writes into a closed pipe.
// It returns the process's exit code.
func execute(dir, script string) int {
	keepRunning()
	lock := os.NewFile(lockFD, "lock")
	KeepDescriptors()
	number, err := strconv.Atoi(script)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot run a hook: its number is", script)
		return 1
	}
	f := FilesOf(dir, number)
	var job Job
	data, err := os.ReadFile(f.job)
	if err == nil {
		err = json.Unmarshal(data, &job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot read the job of a hook:", err)
		return 1
	}
	if err := f.begin(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot record that the hook is begun:", err)
		return 1
	}
	out := &output{deployment: job.Deployment, raw: job.Raw, tail: new(Tail), now: time.Now}
	group := newCgroup()
	record, drain := run(job, out, group)
	tail, logErr := out.seal()
	record.Tail = tail
	if logErr != nil {
		record.Warnings = append(record.Warnings, fmt.Sprintf("part of the output is not in the log: %v", logErr))
	}
	record.Ended = time.Now()
	for try := 1; ; try++ {
		err := f.finish(record)
		if err == nil {
			break
		}
		if try == recordTries {
			fmt.Fprintln(os.Stderr, "cannot write the record of a hook:", err)
			return 1
		}
		time.Sleep(time.Second)
	}
	lock.Close()
	releaseTerminal()
	if drain != nil {
		<-drain
	}
	group.remove()
	return 0
}

// run runs the job's script in the control group. The channel, if any, is closed when the script's output has ended.
func run(job Job, out *output, group *cgroup) (*Record, <-chan struct{}) {
	record := &Record{Began: time.Now(), ExitCode: -1}
	fail := func(code int, format string, args ...any) (*Record, <-chan struct{}) {
		record.Code, record.Message = code, fmt.Sprintf(format, args...)
		return record, nil
	}
	var err error
	if out.scripts, err = openLog(job.ScriptsLog, job.LogMode); err != nil {
		return fail(CodeUnknown, "cannot run script %s: %v", job.Location, err)
	}
	if job.DeploymentsLog != "" {
		if out.deployments, err = openLog(job.DeploymentsLog, job.LogMode); err != nil {
			record.Warnings = append(record.Warnings, err.Error())
		}
	}
	if job.Live {
		out.live = os.Stdout
	}
	if job.First {
		out.line("LifecycleEvent - " + plaintext.Line(job.Event))
	}
	path, info, failure := Locate(job.Archive, job.Location, os.Stat)
	if failure != nil {
		return fail(failure.Code, "%s", failure.Message)
	}
	out.line("Script - " + plaintext.Line(job.Location))
	if info.IsDir() {
		return fail(CodeScriptFailed, "script %s failed: %s is a directory", job.Location, path)
	}
	if warning, err := makeExecutable(job.Archive, path, info); err != nil {
		return fail(CodeNotExecutable, "cannot make script %s executable: %v", job.Location, err)
	} else if warning != "" {
		record.Warnings = append(record.Warnings, warning)
	}
	s, err := startScript(job, path, group)
	if err != nil {
		return fail(CodeScriptFailed, "script %s failed: %v", job.Location, err)
	}
	return watch(job, s, out, record)
}

// script is a started script.
type script struct {
	proc           *os.Process
	group          *cgroup
	stdout, stderr *os.File // the reading ends
}

// watch waits for the script, or ends it when its time is over.
func watch(job Job, s *script, out *output, record *Record) (*Record, <-chan struct{}) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		out.copyStreams(s.stdout, s.stderr)
	}()
	type ended struct {
		state *os.ProcessState
		err   error
	}
	exited := make(chan ended, 1)
	go func() {
		state, err := s.proc.Wait()
		exited <- ended{state, err}
	}()

	timeout := time.NewTimer(job.Timeout)
	defer timeout.Stop()
	var end ended
	timedOut := false
	select {
	case end = <-exited:
	case <-timeout.C:
		timedOut = true
		terminate(s.proc)
		select {
		case end = <-exited:
		case <-time.After(killGrace):
			kill(s.proc)
			end = <-exited
		}
		// What the script started goes too: in its process group if it ignores SIGTERM, elsewhere if it has left the group.
		kill(s.proc)
		s.group.kill()
	}
	caughtUp(drained, &out.intake, s.stdout, s.stderr)
	select {
	case <-drained:
	case <-time.After(outputGrace):
		if !timedOut {
			record.Warnings = append(record.Warnings, leftOpen(s))
		}
	}

	as := ""
	if job.RunAs != "" {
		as = " run as user " + job.RunAs
	}
	if end.state != nil {
		record.ExitCode = end.state.ExitCode()
		record.Signal = signalOf(end.state)
		record.UserCPU, record.SystemCPU = end.state.UserTime(), end.state.SystemTime()
		record.MaxRSS = maxRSS(end.state)
	}
	switch {
	case timedOut:
		record.Code = CodeTimedOut
		record.Message = fmt.Sprintf("script %s%s did not end in %s and was stopped", job.Location, as, seconds(job.Timeout))
	case end.err != nil:
		record.Code = CodeScriptFailed
		record.Message = fmt.Sprintf("script %s%s failed: %v", job.Location, as, end.err)
	case record.Signal != "":
		record.Code = CodeScriptFailed
		record.Message = fmt.Sprintf("script %s%s was ended by signal %s", job.Location, as, record.Signal)
	case record.ExitCode != 0:
		record.Code = CodeScriptFailed
		record.Message = fmt.Sprintf("script %s%s failed with exit code %d", job.Location, as, record.ExitCode)
	}
	return record, drained
}

// seconds prints a timeout as the AppSpec has it.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%g seconds", d.Seconds())
}

// fileOf is the file that a writer writes to, nil if there is none. A runner outlives who started it, so it gets the file itself.
func fileOf(w io.Writer) *os.File {
	switch w := w.(type) {
	case *os.File:
		return w
	case interface{ File() *os.File }:
		return w.File()
	}
	return nil
}

// Start starts the runner of a script with the environment that the script is to have. While the runner lives and has not written the record,
// Running says so. live gets the output if the job says so; it is a file or has one, which its method File returns. complaint is for a runner that
// ended without a mark or a record: it returns why.
func (f Files) Start(ctx context.Context, job Job, env []string, live io.Writer) (complaint func() string, err error) {
	if err := faultpoint.At("hooks job"); err != nil {
		return nil, err
	}
	if err := writeJob(f.job, job); err != nil {
		return nil, fmt.Errorf("cannot record what is to be run: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := faultpoint.At("hooks start"); err != nil {
		return nil, err
	}
	complaint, err = startRunner(f, env, live)
	if err != nil {
		return nil, err
	}
	return complaint, faultpoint.At("hooks started")
}

// runnerComplaint starts the runner's process and reaps it. The function it returns waits for the process to end and says what it wrote to
// its standard error: its result is otherwise the record.
func runnerComplaint(cmd *exec.Cmd) (func() string, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the runner: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return func() string {
		err := <-ended
		if text := strings.TrimSpace(said.String()); text != "" {
			return text
		}
		return fmt.Sprint(err)
	}, nil
}
