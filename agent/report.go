package agent

import (
	"context"
	"math/rand/v2"
	"slices"
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
	refusals  int       // how often the service has definitely refused it
	notBefore time.Time // when it may be offered again after a refusal
	uncertain bool      // an earlier agent may have delivered it
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
		d, due := r.next()
		if d == nil {
			if !r.rest(ctx, due) {
				return
			}
			continue
		}
		err := r.deliver(ctx, d)
		if ctx.Err() != nil {
			return
		}
		e := d.entry
		switch {
		case err == nil:
			failures = 0
			r.settle(d)
		case !command.IsRefusal(err):
			// The service is away: the others wait too, so that results arrive in their order.
			failures++
			pause := reportPause(failures)
			r.complain(e, err, pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		default:
			// One refused result must not keep the others back.
			if d.refusals++; d.refusals < maxRefusals {
				pause := reportPause(d.refusals)
				r.complain(e, err, pause)
				r.putBack(d, time.Now().Add(pause))
				continue
			}
			r.log.Error("the service refuses the result of a command, giving it up", zap.String("command", e.CommandID),
				zap.String("event", e.CommandName), zap.String("reason", command.Describe(err)))
			r.settle(d)
		}
	}
}

func (r *reporter) complain(e *journal.Entry, err error, pause time.Duration) {
	r.log.Warn("cannot report a result, trying again", zap.String("command", e.CommandID), zap.String("event", e.CommandName),
		zap.String("reason", command.Describe(err)), zap.Duration("next_try_in", pause))
}

// rest waits until a time, the zero time meaning forever, or until something new is to be delivered. It returns false when ctx has ended.
func (r *reporter) rest(ctx context.Context, until time.Time) bool {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-r.wake:
	case <-ctx.Done():
		return false
	}
	return true
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

// next returns the first delivery that is due. If none is, due says when one will be, the zero time if there is none at all.
func (r *reporter) next() (d *delivery, due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, d := range r.queue {
		if !d.notBefore.After(now) {
			return d, time.Time{}
		}
		if due.IsZero() || d.notBefore.Before(due) {
			due = d.notBefore
		}
	}
	return nil, due
}

// putBack lets a delivery wait behind the others.
func (r *reporter) putBack(d *delivery, notBefore time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.notBefore = notBefore
	r.queue = append(slices.DeleteFunc(r.queue, func(o *delivery) bool { return o == d }), d)
}

// settle forgets a delivery that is over.
func (r *reporter) settle(d *delivery) {
	if err := r.journal.Accepted(d.entry); err != nil {
		r.log.Warn("journal", zap.Error(err))
	}
	r.mu.Lock()
	r.queue = slices.DeleteFunc(r.queue, func(o *delivery) bool { return o == d })
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
