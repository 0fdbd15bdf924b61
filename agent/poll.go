package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/hooks/faultpoint"
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
		a.supervisor.Expect(0) // hooks may take as long as they like
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
	a.supervisor.Expect(pollLimit(a.config.HTTPReadTimeout))
	faultpoint.Hang("poll")
	cmd, err := a.service.Poll(polling, a.host)
	if err == nil && stop.Err() == nil {
		a.supervisor.Ready()
		a.supervisor.Status("%s", a.activity())
	}
	switch {
	case stop.Err() != nil && cmd == nil:
	case err != nil:
		wait := a.pace.failed()
		a.supervisor.Status("waiting for the service: %s", command.Describe(err))
		a.log.Warn("cannot poll for commands", zap.String("reason", command.Describe(err)), zap.Duration("next_try_in", wait))
		a.idle(stop, wait, false)
	case cmd == nil:
		a.pace.succeeded()
		if a.pace.quiet() && !a.busy() {
			a.rest.begin()
		}
		a.idle(stop, a.pace.pause(), true)
	case !a.acceptable(cmd):
		a.idle(stop, a.pace.active(), true)
	case !a.claim(cmd.ID):
		a.log.Debug("command delivered again while it is being executed", zap.String("command", cmd.ID))
		a.idle(stop, a.pace.active(), true)
	case a.reporter.again(cmd.ID):
		// The service has lost the result it accepted, or the answer crossed with this delivery.
		a.release(cmd.ID)
		a.log.Info("command delivered again after it ended, reporting its result again", zap.String("command", cmd.ID))
		a.idle(stop, a.pace.active(), true)
	default:
		a.pace.succeeded()
		a.rest.end()
		a.commands.Go(func() {
			defer func() { <-a.slots }()
			defer a.release(cmd.ID)
			a.handle(work, cmd)
		})
		if a.throttled() {
			a.idle(stop, a.pace.active(), false)
		}
		return true
	}
	return false
}

// activity is what the agent does, in a line.
func (a *Agent) activity() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch n := len(a.inFlight); n {
	case 0:
		return "polling for commands"
	case 1:
		return "polling for commands, executing one"
	default:
		return fmt.Sprintf("polling for commands, executing %d", n)
	}
}

// pollLimit is the longest that a poll can take before it is hung: the client repeats it at most twice, after it has renewed credentials or
// corrected the time, and waits before that if the service has asked to slow down.
func pollLimit(readTimeout time.Duration) time.Duration { return 3*readTimeout + time.Minute }

// pauseMargin is what a busy host may add to a pause.
const pauseMargin = time.Minute

// idle waits as long as the pace says, and tells the supervisor that it is going to.
func (a *Agent) idle(stop context.Context, d time.Duration, wakeable bool) {
	a.supervisor.Expect(max(d, 0) + pauseMargin)
	a.pace.wait(stop, d, wakeable)
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
