package agent

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
)

// pollGrace is how long a poll may still take when the agent is told to stop. A service that has just handed out a command may not give it to
// anybody again, so an answer that is on its way is waited for. A service that holds polls open, as CodeDeploy does for up to a minute, sees
// that the caller is gone before it has a command to hand out.
const pollGrace = time.Second

// poll asks for commands until stop ends and starts each on a goroutine of its own, which works under work. A command that arrives
// with the last answer is executed like the others.
func (a *Agent) poll(stop, work context.Context) {
	polling, giveUp := context.WithCancel(work)
	defer giveUp()
	context.AfterFunc(stop, func() {
		select {
		case <-time.After(pollGrace):
			giveUp()
		case <-polling.Done():
		}
	})
	for stop.Err() == nil {
		select {
		case a.slots <- struct{}{}: // no more commands are asked for than can be worked on
		case <-stop.Done():
			return
		}
		started := a.pollOnce(stop, polling, work)
		if !started {
			<-a.slots
		}
	}
}

// pollOnce asks once and then waits as long as is due. It returns true if it has started a command, which then gives
// its slot back itself.
func (a *Agent) pollOnce(stop, polling, work context.Context) (started bool) {
	cmd, err := a.service.Poll(polling, a.host)
	switch {
	case stop.Err() != nil && cmd == nil:
	case err != nil:
		wait := a.pace.failed()
		a.log.Warn("cannot poll for commands", zap.String("reason", command.Describe(err)), zap.Duration("next_try_in", wait))
		a.pace.wait(stop, wait, false)
	case cmd == nil:
		a.pace.succeeded()
		if a.pace.quiet() && !a.busy() {
			a.rest.begin()
		}
		a.pace.wait(stop, a.pace.pause(), true)
	case !a.acceptable(cmd):
		a.pace.wait(stop, a.pace.active(), true)
	case !a.claim(cmd.ID):
		a.log.Debug("command delivered again while it is being executed", zap.String("command", cmd.ID))
		a.pace.wait(stop, a.pace.active(), true)
	case a.reporter.again(cmd.ID):
		// The service has lost the result it accepted, or the answer crossed with this delivery.
		a.release(cmd.ID)
		a.log.Info("command delivered again after it ended, reporting its result again", zap.String("command", cmd.ID))
		a.pace.wait(stop, a.pace.active(), true)
	default:
		a.pace.succeeded()
		a.rest.end()
		a.commands.Go(func() {
			defer func() { <-a.slots }()
			defer a.release(cmd.ID)
			a.handle(work, cmd)
		})
		if a.throttled() {
			a.pace.wait(stop, a.pace.active(), false)
		}
		return true
	}
	return false
}

// acceptable says whether a polled command is for this host and names something to do: the command's identifier is ours or its last part, as in
// arn:aws:ec2:region:account:instance/i-1 and i-1 (official agents: is contained in ours, which "a" is as well). Others are logged and left to the
// service.
func (a *Agent) acceptable(cmd *command.HostCommand) bool {
	switch {
	case cmd.ID == "" || cmd.Name == "":
		a.log.Error("ignoring a command without an identifier or a name", zap.String("command", cmd.ID), zap.String("event", cmd.Name))
	case !sameHost(a.host, cmd.HostIdentifier):
		a.log.Error("ignoring a command for another host", zap.String("command", cmd.ID), zap.String("for", cmd.HostIdentifier), zap.String("this_host", a.host))
	default:
		return true
	}
	return false
}

// sameHost says whether other names the host, in full or by its last parts.
func sameHost(host, other string) bool {
	front, ok := strings.CutSuffix(host, other)
	return ok && other != "" && (front == "" || strings.HasSuffix(front, "/") || strings.HasSuffix(front, ":"))
}
