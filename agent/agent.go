// Package agent is the daemon: it polls the CodeDeploy command service for host commands, acknowledges and executes them,
// and reports each result until the service has it. Local deployments execute commands with the same Executor.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/install"
	"codedeploy-agent/agent/journal"
	"codedeploy-agent/agent/secrets"
	"codedeploy-agent/agent/store"
	"codedeploy-agent/agent/supervisor"
	"codedeploy-agent/hooks/runner"
)

// Service is the CodeDeploy command service as the agent sees it.
type Service interface {
	Poll(ctx context.Context, hostIdentifier string) (*command.HostCommand, error)
	Specification(ctx context.Context, executionID, hostIdentifier string) (*command.SpecificationAnswer, error)
	Acknowledge(ctx context.Context, commandID string, noop bool) (status string, err error)
	Complete(ctx context.Context, commandID, status string, d command.Diagnostics) error
}

// Options are what an Agent is made of.
type Options struct {
	Config         *config.Config
	HostIdentifier string
	Service        Service
	// Throttled says whether the service has just asked to slow down; nil means never.
	Throttled func() bool
	Verifier  *command.Verifier
	Sources   Sources
	// HookVariables are told to hooks about the host; nil means nothing.
	HookVariables map[string]string
	// Secrets is told the tokens in specifications, and keeps all it knows out of results. nil knows none.
	Secrets *secrets.Register
	// Guard judges records of what is installed that others can write. nil refuses them.
	Guard *custody.Guard
	// Supervisor is told how the agent gets on. nil is nobody.
	Supervisor *supervisor.Supervisor
	Log        *zap.Logger
}

// Agent executes the commands of one host. Use New, then Run once.
type Agent struct {
	config     *config.Config
	host       string
	service    Service
	throttled  func() bool
	verifier   *command.Verifier
	executor   *Executor
	store      *store.Store
	journal    *journal.Journal
	reporter   *reporter
	groups     *Groups
	pace       *pace
	rest       rest
	secrets    *secrets.Register
	supervisor *supervisor.Supervisor
	log        *zap.Logger

	mu       sync.Mutex
	inFlight map[string]bool
	commands sync.WaitGroup
	slots    chan struct{}
}

// New prepares an agent. Its journal is opened, so a host has at most one agent per state directory: see Lock.
func New(o Options) (*Agent, error) {
	j, err := journal.Open(filepath.Join(o.Config.StateDir, "journal"))
	if err != nil {
		return nil, err
	}
	s := NewStore(o.Config, o.Guard)
	a := &Agent{
		config: o.Config, host: o.HostIdentifier, service: o.Service, throttled: o.Throttled, verifier: o.Verifier, store: s, journal: j,
		executor:   &Executor{config: o.Config, store: s, sources: o.Sources, host: o.HookVariables, log: o.Log},
		groups:     NewGroups(o.Config.StateDir),
		pace:       newPace(o.Config.WaitBetweenRuns),
		secrets:    o.Secrets,
		supervisor: o.Supervisor,
		log:        o.Log,
		inFlight:   map[string]bool{},
		slots:      make(chan struct{}, o.Config.MaxConcurrentCommands),
	}
	if a.throttled == nil {
		a.throttled = func() bool { return false }
	}
	a.reporter = newReporter(o.Service, j, o.Log, a.pace.commandEnded)
	return a, nil
}

// ErrHandOver is the cause of the end of Run's context abandon when another agent is about to take over, as after an upgrade. It is no
// failure.
var ErrHandOver = errors.New("another agent takes over")

// reportGrace is how long a stopping agent tries to deliver results that the service has not accepted. What is left
// then is delivered by the next agent.
const reportGrace = 10 * time.Second

// Run executes commands until stop ends: then it takes no new ones, lets the running ones end (up to
// kill_agent_max_wait_time_seconds) and delivers their results. When abandon ends, it returns at once; hooks go on, and
// the next agent takes everything up. That is an error unless the cause is ErrHandOver.
func (a *Agent) Run(stop, abandon context.Context) error {
	work, cancel := context.WithCancel(abandon)
	defer cancel()
	reporting, stopReporting := context.WithCancel(work)
	defer stopReporting()
	var reporter sync.WaitGroup
	reporter.Go(func() { a.reporter.run(reporting) })

	a.takeUp(work)
	a.poll(stop, work)

	a.log.Info("stopping: no new commands are taken")
	a.supervisor.Stopping(a.config.KillAgentMaxWaitTime + reportGrace)
	a.supervisor.Status("stopping: waits for running lifecycle events to end")
	ended := make(chan struct{})
	go func() { a.commands.Wait(); close(ended) }()
	limit := time.NewTimer(a.config.KillAgentMaxWaitTime)
	defer limit.Stop()
	var err error
	select {
	case <-ended:
	case <-abandon.Done():
		if errors.Is(context.Cause(abandon), ErrHandOver) {
			a.log.Info("handing over: running hooks go on and the next start reports their results")
			break
		}
		err = errors.New("stopped at once; running hooks go on and the next start reports their results")
	case <-limit.C:
		err = fmt.Errorf("commands still run after %s (kill_agent_max_wait_time_seconds); hooks go on and the next start reports their results",
			a.config.KillAgentMaxWaitTime)
	}
	if err == nil && abandon.Err() == nil && !a.reporter.drain(work, reportGrace) {
		a.log.Warn("the service has not accepted all results; the next start reports them")
	}
	stopReporting()
	reporter.Wait()
	return err
}

// takeUp continues what an earlier agent left: results that the service has not accepted, commands that had not ended, and
// deployments that an official agent was interrupted in.
func (a *Agent) takeUp(ctx context.Context) {
	tracked, odd := a.store.Tracked(time.Now()) // before any command of ours writes there
	for _, p := range odd {
		a.log.Warn("tracking", zap.Error(p))
	}
	entries, problems := a.journal.Pending()
	slices.SortStableFunc(entries, func(a, b *journal.Entry) int { return endedAt(a).Compare(endedAt(b)) })
	for _, p := range problems {
		a.log.Error("journal", zap.Error(p))
	}
	ours := map[string]bool{}
	for _, e := range entries {
		ours[e.CommandID] = true
		a.claim(e.CommandID)
		if e.Result != nil {
			a.log.Info("reporting a result that an earlier agent could not", zap.String("command", e.CommandID), zap.String("event", e.CommandName))
			a.reporter.report(e)
			a.release(e.CommandID)
			continue
		}
		a.commands.Go(func() {
			defer a.release(e.CommandID)
			a.resume(ctx, e)
		})
	}
	a.recoverInstalls(ctx)
	for _, t := range tracked {
		if !ours[t.HostCommand] {
			a.takeOver(t)
		}
	}
}

// takeOver reports a command that another agent was interrupted in. Its tracking file goes when the journal has the result, so that it is
// reported once and no agent after this one reports it again.
func (a *Agent) takeOver(t store.Tracked) {
	a.log.Warn("reporting a command that another agent was interrupted in", zap.String("deployment", t.Deployment))
	recorded := a.finish(&journal.Entry{CommandID: t.HostCommand, DeploymentID: t.Deployment, Began: time.Now()}, "", &runner.Failure{
		Code: runner.CodeAfterRestart, Message: "the agent was restarted while this lifecycle event was in progress; it is not known how far it got"})
	if recorded {
		a.untrack(t.Deployment)
	}
}

// untrack removes the deployment's tracking file. A command that failed before its specification was known has none.
func (a *Agent) untrack(deployment string) {
	if deployment == "" {
		return
	}
	if err := a.store.Untrack(deployment); err != nil {
		a.log.Warn("tracking", zap.Error(err))
	}
}

// recoverInstalls takes back the installs that were cut off, also those of local deployments, so that no host stays half-way until somebody
// deploys to it again.
func (a *Agent) recoverInstalls(ctx context.Context) {
	dir := installRecords(a.config.StateDir)
	records, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("cannot look for interrupted installs", zap.Error(err))
	}
	for _, r := range records {
		if strings.HasPrefix(r.Name(), ".") {
			continue // the temporary name of a record
		}
		a.commands.Go(func() {
			unlock, err := a.groups.Lock(ctx, r.Name())
			if err == nil {
				defer unlock()
				err = install.Recover(ctx, filepath.Join(dir, r.Name()), a.log.With(zap.String("group", r.Name())))
			}
			if err != nil {
				a.log.Error("an interrupted install stays as it is until the next one", zap.Error(err))
			}
		})
	}
}

// endedAt is when a command ended, the zero time if it has not.
func endedAt(e *journal.Entry) time.Time {
	if e.Result == nil {
		return time.Time{}
	}
	return e.Result.Ended
}

// claim marks the command as being worked on; it returns false if it already was.
func (a *Agent) claim(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight[id] {
		return false
	}
	a.inFlight[id] = true
	return true
}

// busy says whether a command is being executed.
func (a *Agent) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.inFlight) > 0
}

func (a *Agent) release(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.inFlight, id)
}
