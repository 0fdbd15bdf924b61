package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/journal"
	"codedeploy-agent/appspec/plaintext"
	"codedeploy-agent/hooks"
	"codedeploy-agent/hooks/faultpoint"
	"codedeploy-agent/hooks/runner"
)

// handle takes a command from its specification to its result. Whatever fails on the way is the command's result: the
// operator sees the reason in the console instead of a deployment that hangs until the service gives it up.
func (a *Agent) handle(ctx context.Context, cmd *command.HostCommand) {
	entry := &journal.Entry{CommandID: cmd.ID, CommandName: cmd.Name, ExecutionID: cmd.ExecutionID, Began: time.Now()}
	spec, content, err := a.specification(ctx, cmd)
	if ctx.Err() != nil {
		return // nothing has been done; the service delivers the command again
	}
	if err != nil {
		a.finish(entry, "", err)
		return
	}
	entry.Specification, entry.DeploymentID = content, spec.DeploymentID
	if err := faultpoint.At("specification received"); err != nil {
		a.finish(entry, "", err)
		return
	}
	unlock, err := a.groups.Lock(ctx, spec.GroupID)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		a.finish(entry, "", err)
		return
	}
	defer unlock()
	noop, err := a.executor.Noop(cmd.Name, spec)
	if err != nil {
		a.finish(entry, "", err)
		return
	}
	// Once acknowledged, the service does not send the command again: it has to be on disk before.
	if err := a.journal.Begin(entry); err != nil {
		a.finish(entry, "", err)
		return
	}
	if a.acknowledge(ctx, cmd, spec, entry, noop) {
		a.execute(ctx, spec, entry)
	}
}

// specification fetches, verifies and parses the deployment specification.
func (a *Agent) specification(ctx context.Context, cmd *command.HostCommand) (*command.Specification, []byte, error) {
	answer, err := a.service.Specification(ctx, cmd.ExecutionID, a.host)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot fetch the deployment specification: %s", command.Describe(err))
	}
	if answer.System != "CodeDeploy" {
		return nil, nil, fmt.Errorf("cannot use the deployment specification: it is of deployment system %q, not CodeDeploy", answer.System)
	}
	content, signer, err := a.verifier.Open(answer.Envelope)
	if err != nil {
		return nil, nil, err
	}
	spec, err := a.parse(content)
	if err != nil {
		return nil, nil, err
	}
	log := a.log.With(logFields(cmd.Name, spec)...)
	log.Info("command received", zap.String("command", cmd.ID), zap.String("signer", signer.Subject),
		zap.String("signer_fingerprint", signer.Fingerprint), zap.Bool("signer_pinned", signer.Pinned))
	if !command.MatchesExecution(spec, cmd.ExecutionID) {
		log.Warn("the specification's deployment does not occur in the command's execution id", zap.String("execution", cmd.ExecutionID))
	}
	return spec, content, nil
}

// parse reads a specification and makes its token known, so that it is told to nobody.
func (a *Agent) parse(content []byte) (*command.Specification, error) {
	spec, err := command.ParseSpecification(content)
	if err == nil && spec.Revision.Token != "" {
		a.secrets.Renew("token of deployment group "+spec.GroupID, spec.Revision.Token)
	}
	return spec, err
}

// acknowledge tells the service that the command was received and whether it has anything to do. It returns whether the
// command is to be executed.
func (a *Agent) acknowledge(ctx context.Context, cmd *command.HostCommand, spec *command.Specification, entry *journal.Entry, noop bool) bool {
	status, err := a.service.Acknowledge(ctx, cmd.ID, noop)
	switch {
	case ctx.Err() != nil:
		return false // the next agent acknowledges again
	case err != nil:
		a.finish(entry, "", fmt.Errorf("cannot acknowledge the command: %s", command.Describe(err)))
		return false
	case closed(status):
		a.log.Info("the service has already closed the command", append(logFields(cmd.Name, spec), zap.String("status", status))...)
		if status == command.StatusFailed && noop && a.stillNoop(ctx, cmd) {
			a.finish(entry, "CompletedNoopCommand", nil)
		} else {
			a.drop(entry)
		}
		return false
	}
	if err := faultpoint.At("acknowledged"); err != nil {
		a.finish(entry, "", err)
		return false
	}
	if err := a.journal.Acknowledged(entry); err != nil {
		a.log.Warn("the command will be acknowledged again if the agent is restarted now", zap.Error(err))
	}
	return true // any other status, also one that is not known or missing (official agents)
}

// closed says whether the service waits for no result of the command any more.
func closed(status string) bool {
	return status == command.StatusSucceeded || status == command.StatusFailed
}

// drop forgets a command whose result nobody waits for.
func (a *Agent) drop(entry *journal.Entry) {
	if err := a.journal.Remove(entry); err != nil {
		a.log.Warn("journal", zap.Error(err))
	}
}

// stillNoop asks for the specification anew, as the official agent 1.8 does before it completes a no-op command that the
// service calls failed.
func (a *Agent) stillNoop(ctx context.Context, cmd *command.HostCommand) bool {
	spec, _, err := a.specification(ctx, cmd)
	if err != nil {
		return false
	}
	noop, err := a.executor.Noop(cmd.Name, spec)
	return err == nil && noop
}

// execute executes an acknowledged command and hands its result to the reporter.
func (a *Agent) execute(ctx context.Context, spec *command.Specification, entry *journal.Entry) {
	if err := a.store.Track(spec.DeploymentID, entry.CommandID); err != nil {
		a.log.Warn("other tools do not see that a deployment is under way", zap.Error(err))
	}
	note, err := a.guarded(ctx, spec, entry)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return // the agent was told to stop at once; the next one takes the command up
	}
	a.untrack(spec.DeploymentID)
	a.finish(entry, note, err)
}

// guarded turns a panic, which is always our mistake, into the command's failure: the deployment must not hang for it.
func (a *Agent) guarded(ctx context.Context, spec *command.Specification, entry *journal.Entry) (note string, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.log.Error("panic", zap.String("value", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("cannot execute %s: internal error: %v; please report it with the agent's log", entry.CommandName, p)
		}
	}()
	return a.executor.Execute(ctx, entry.CommandName, spec, Execution{
		Dir: a.journal.RunDir(entry.CommandID),
		Note: func(step string) {
			if err := a.journal.Note(entry, step); err != nil {
				a.log.Debug("journal", zap.Error(err)) // only people read it
			}
		},
	})
}

// eventLimit is how long the service waits for the result of a command (AWS: one hour).
const eventLimit = time.Hour

// resume takes up a command that an earlier agent had begun. Scripts that have ended do not run again, one that runs is waited for, and
// an Install that was cut off is undone first: then the command goes on as if nothing had happened. It does not if the service
// has given the command up in the meantime, which may be long after the host went down.
func (a *Agent) resume(ctx context.Context, entry *journal.Entry) {
	spec, err := a.parse(entry.Specification)
	if err != nil {
		a.untrack(entry.DeploymentID)
		a.finish(entry, "", err)
		return
	}
	log := a.log.With(logFields(entry.CommandName, spec)...).With(zap.String("command", entry.CommandID))
	unlock, err := a.groups.Lock(ctx, spec.GroupID)
	if err != nil {
		log.Error("cannot take an interrupted command up", zap.Error(err))
		return
	}
	defer unlock()
	a.untrack(spec.DeploymentID) // until it goes on, if it does
	log.Info("taking up a command that an earlier agent began", zap.Duration("ago", time.Since(entry.Began).Round(time.Second)))
	progress, err := hooks.ProgressOf(a.journal.RunDir(entry.CommandID))
	if err != nil {
		a.finish(entry, "", err)
		return
	}
	// A script that was cut off is the result, whatever the service thinks of the command; so is one that runs: it cannot be stopped
	// half-way. For everything else there must be somebody who waits for it.
	if !progress.Vanished && !progress.Running {
		if time.Since(entry.Began) > eventLimit {
			a.finish(entry, "", &runner.Failure{Code: runner.CodeAfterRestart, Message: fmt.Sprintf(
				"the agent was not running for longer than a lifecycle event may take; %s was begun at %s and is not continued", entry.CommandName,
				entry.Began.Format(time.RFC3339))})
			return
		}
		noop, err := a.executor.Noop(entry.CommandName, spec)
		if err != nil {
			a.finish(entry, "", err)
			return
		}
		cmd := &command.HostCommand{ID: entry.CommandID, Name: entry.CommandName, ExecutionID: entry.ExecutionID, HostIdentifier: a.host}
		if !a.acknowledge(ctx, cmd, spec, entry, noop) {
			return
		}
	}
	a.execute(ctx, spec, entry)
}

// finish records the command's result and hands it to the reporter. err nil means success. It returns whether the result is on disk.
func (a *Agent) finish(entry *journal.Entry, note string, err error) (recorded bool) {
	entry.Result = a.result(note, err)
	log := a.log.With(zap.String("command", entry.CommandID), zap.String("event", entry.CommandName), zap.String("deployment", entry.DeploymentID),
		zap.Duration("took", entry.Result.Ended.Sub(entry.Began)))
	if err != nil {
		log.Error("command failed", zap.Int("code", entry.Result.ErrorCode), zap.Error(err))
	} else {
		log.Info("command succeeded")
	}
	saveErr := a.journal.End(entry)
	if saveErr != nil {
		log.Error("the result is only in memory until the service has it", zap.Error(saveErr))
	}
	a.reporter.report(entry)
	return saveErr == nil
}

// result is the result that the service is told. What hooks print is theirs; in everything else there is no secret.
func (a *Agent) result(note string, err error) *journal.Result {
	r := &journal.Result{Status: command.StatusSucceeded, Message: "Succeeded: " + note, Ended: time.Now()}
	if err == nil {
		return r
	}
	r.Status, r.ErrorCode, r.Message = command.StatusFailed, runner.CodeUnknown, a.secrets.Redact(plaintext.Text(err.Error()))
	var failure *runner.Failure
	if errors.As(err, &failure) {
		r.ErrorCode, r.ScriptName, r.Log = failure.Code, plaintext.Line(failure.Script), failure.Log
	}
	return r
}
