package agent

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/journal"
	"codedeploy-agent/hooks/faultpoint"
)

const (
	// maxReportPause bounds the pause between attempts to deliver results.
	maxReportPause = 30 * time.Second
	// maxRefusals is how often a result that the service definitely refuses is offered before it is given up.
	maxRefusals = 5
	// remembered is how many delivered results are kept for commands that the service delivers again.
	remembered = 256
)

// reporter delivers results to the service, in the order of their ends, until it accepts or definitely refuses them. They
// are in the journal until then.
type reporter struct {
	service  Service
	journal  *journal.Journal
	log      *zap.Logger
	accepted func() // called after each delivery
	wake     chan struct{}

	mu      sync.Mutex
	queue   []*delivery
	done    map[string]*delivered // for redelivered commands
	order   []string              // keys of done, oldest first
	waiters []chan struct{}       // closed when the queue is empty
}

type delivery struct {
	refusals  int  // how often the service has definitely refused it
	uncertain bool // an earlier agent may have delivered it
	entry     *journal.Entry
}

// delivered is a result that the service has accepted.
type delivered struct {
	entry *journal.Entry
	again time.Time     // when it may be delivered again
	pause time.Duration // between two such deliveries
}

func newReporter(s Service, j *journal.Journal, log *zap.Logger, accepted func()) *reporter {
	return &reporter{service: s, journal: j, log: log, accepted: accepted, wake: make(chan struct{}, 1), done: map[string]*delivered{}}
}

// report queues an entry that has a result.
func (r *reporter) report(e *journal.Entry) {
	r.mu.Lock()
	r.queue = append(r.queue, &delivery{entry: e, uncertain: e.Offered})
	r.mu.Unlock()
	r.nudge()
}

// again says whether the command has ended before, and queues its result again: the service has lost it, or the answer crossed with
// this delivery. A service that goes on delivering the command gets the result ever more rarely.
func (r *reporter) again(commandID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.queue {
		if d.entry.CommandID == commandID {
			return true
		}
	}
	d, ok := r.done[commandID]
	if !ok {
		return false
	}
	if now := time.Now(); !now.Before(d.again) {
		d.pause = min(max(2*d.pause, time.Second), deploymentGap)
		d.again = now.Add(d.pause)
		r.queue = append(r.queue, &delivery{entry: d.entry})
		r.nudge()
	}
	return true
}

func (r *reporter) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends.
func (r *reporter) run(ctx context.Context) {
	failures := 0
	for {
		d := r.next()
		if d == nil {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		e := d.entry
		err := r.deliver(ctx, d)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if command.IsRefusal(err) {
				d.refusals++
			}
			if d.refusals < maxRefusals {
				failures++
				pause := reportPause(failures)
				r.log.Warn("cannot report a result, trying again", zap.String("command", e.CommandID), zap.String("event", e.CommandName),
					zap.String("reason", command.Describe(err)), zap.Duration("next_try_in", pause))
				if d.refusals > 0 {
					r.rotate() // one refused result must not keep the others back
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return
				}
				continue
			}
			r.log.Error("the service refuses the result of a command, giving it up", zap.String("command", e.CommandID),
				zap.String("event", e.CommandName), zap.String("reason", command.Describe(err)))
		}
		failures = 0
		r.settle(d)
	}
}

// deliver offers a result to the service. If an earlier agent died while it did so, the service is asked first whether it has it: the
// acknowledgement of a command that has ended is answered with how it ended.
func (r *reporter) deliver(ctx context.Context, d *delivery) error {
	e := d.entry
	if d.uncertain {
		status, err := r.service.Acknowledge(ctx, e.CommandID, false)
		if err != nil {
			return err
		}
		if closed(status) {
			r.log.Info("the service has the result already", zap.String("command", e.CommandID), zap.String("event", e.CommandName))
			return nil
		}
		d.uncertain = false
	}
	if !e.Offered {
		if err := r.journal.Offered(e); err != nil {
			r.log.Debug("journal", zap.Error(err)) // at worst the result is offered twice
		}
	}
	err := r.service.Complete(ctx, e.CommandID, e.Result.Status, command.Diagnostics{
		ErrorCode: e.Result.ErrorCode, ScriptName: e.Result.ScriptName, Message: e.Result.Message, Log: e.Result.Log,
	})
	if err != nil {
		return err
	}
	return faultpoint.At("result delivered")
}

// reportPause grows from half a second, with full jitter.
func reportPause(failures int) time.Duration {
	limit := min(500*time.Millisecond<<min(failures, 10), maxReportPause)
	return limit/2 + rand.N(limit/2)
}

func (r *reporter) next() *delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return nil
	}
	return r.queue[0]
}

func (r *reporter) rotate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue[1:], r.queue[0])
}

// settle forgets a delivery that is over.
func (r *reporter) settle(d *delivery) {
	if err := r.journal.Accepted(d.entry); err != nil {
		r.log.Warn("journal", zap.Error(err))
	}
	r.mu.Lock()
	r.queue = r.queue[1:]
	if _, known := r.done[d.entry.CommandID]; !known {
		r.done[d.entry.CommandID] = &delivered{entry: d.entry}
		r.order = append(r.order, d.entry.CommandID)
		if len(r.order) > remembered {
			delete(r.done, r.order[0])
			r.order = r.order[1:]
		}
	}
	if len(r.queue) == 0 {
		for _, w := range r.waiters {
			close(w)
		}
		r.waiters = nil
	}
	r.mu.Unlock()
	r.accepted()
}

// drain waits until everything is delivered; it returns false when ctx or the time ended before.
func (r *reporter) drain(ctx context.Context, limit time.Duration) bool {
	r.mu.Lock()
	if len(r.queue) == 0 {
		r.mu.Unlock()
		return true
	}
	empty := make(chan struct{})
	r.waiters = append(r.waiters, empty)
	r.mu.Unlock()
	select {
	case <-empty:
		return true
	case <-time.After(limit):
	case <-ctx.Done():
	}
	return false
}
