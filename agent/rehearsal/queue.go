package rehearsal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// CommandOptions describe a host command to queue.
type CommandOptions struct {
	// Name is the lifecycle event, for example "DownloadBundle". Host is the HostIdentifier of the host it is for.
	Name, Host string
	// ExecutionID names what was published, see Deployment.ExecutionID.
	ExecutionID string
	// ID is the HostCommandIdentifier; empty means one is made up.
	ID string
	// Deliveries is how often polls deliver it, acknowledged or not; less than 2 means once.
	Deliveries int
	// AckStatus is the CommandStatus an acknowledgement is answered with; empty means what the command's state says,
	// "none" that the answer has no status.
	AckStatus string
}

// Command is a queued host command.
type Command struct {
	options CommandOptions
	done    chan struct{}

	mu        sync.Mutex
	result    Result
	delivered int
	last      time.Time // of the deliveries
	finished  bool
}

// Result is how a command went.
type Result struct {
	// Status is Succeeded or Failed; empty while the command is under way.
	Status string
	// ErrorCode, ScriptName, Message and Log are the agent's diagnostics. ErrorCode is -1 when there are none.
	ErrorCode                int
	ScriptName, Message, Log string
	// TimedOut tells that the service gave up on the host; Message says why.
	TimedOut bool
	// Acked tells that the command was acknowledged, Noop that the acknowledgement said there is nothing to do.
	Acked, Noop bool
	// Deliveries, Acks and Completions count what was delivered and what came; only the first completion counts.
	Deliveries, Acks, Completions int
	// Queued, AckedAt and Ended are when it happened; zero if it did not. Duration is from Queued to Ended.
	Queued, AckedAt, Ended time.Time
	Duration               time.Duration
}

// Succeeded tells whether the command ended well.
func (r Result) Succeeded() bool { return r.Status == statusSucceeded }

const (
	statusPending    = "Pending"
	statusInProgress = "InProgress"
	statusSucceeded  = "Succeeded"
	statusFailed     = "Failed"
)

// ID is the command's HostCommandIdentifier.
func (c *Command) ID() string { return c.options.ID }

// Done is closed when the command has ended.
func (c *Command) Done() <-chan struct{} { return c.done }

// Result is how the command went so far.
func (c *Command) Result() Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}

// Wait waits until the command has ended. If the context ends first it returns what is known and the context's cause.
func (c *Command) Wait(ctx context.Context) (Result, error) {
	select {
	case <-c.done:
		return c.Result(), nil
	case <-ctx.Done():
		return c.Result(), fmt.Errorf("cannot wait for %s on %s: %w", c.options.Name, c.options.Host, context.Cause(ctx))
	}
}

// status is the CommandStatus of the service's model. The caller holds c.mu.
func (c *Command) status() string {
	switch {
	case c.result.Status != "":
		return c.result.Status
	case c.result.Acked:
		return statusInProgress
	default:
		return statusPending
	}
}

// finish ends the command; the first to do so wins. The caller holds c.mu.
func (c *Command) finish(now time.Time, change func(*Result)) {
	if c.finished {
		return
	}
	c.finished = true
	change(&c.result)
	c.result.Ended = now
	c.result.Duration = now.Sub(c.result.Queued)
	close(c.done)
}

// queue holds the commands of every host.
type queue struct {
	mu       sync.Mutex
	commands map[string]*Command // by identifier
	waiting  map[string][]*Command
	specs    map[string]any // by execution id
	changed  chan struct{}  // closed and replaced when a command is queued
	closed   bool
}

func (q *queue) init() {
	q.commands, q.waiting, q.specs = map[string]*Command{}, map[string][]*Command{}, map[string]any{}
	q.changed = make(chan struct{})
}

// Commands are all commands that were queued, in no order.
func (s *Service) Commands() []*Command {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return slices.Collect(maps.Values(s.queue.commands))
}

// Queue queues a command for a host. It is delivered by that host's next poll, or at once if one is held.
func (s *Service) Queue(options CommandOptions) (*Command, error) {
	if options.ID == "" {
		options.ID = newCommandID()
	}
	c := &Command{options: options, done: make(chan struct{})}
	c.result = Result{ErrorCode: -1, Queued: s.clock.Now()}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, fmt.Errorf("cannot queue %s: the embedded service is closed", options.Name)
	}
	if _, exists := q.commands[options.ID]; exists {
		return nil, fmt.Errorf("cannot queue %s: there is a command %s already", options.Name, options.ID)
	}
	q.commands[options.ID] = c
	q.waiting[options.Host] = append(q.waiting[options.Host], c)
	close(q.changed)
	q.changed = make(chan struct{})
	go s.watch(c)
	return c, nil
}

// DeliverAgain has the next poll of the command's host deliver it once more, whatever has become of it, as a service does that
// has lost what it knew.
func (s *Service) DeliverAgain(c *Command) {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	c.mu.Lock()
	c.options.Deliveries = max(c.options.Deliveries, c.delivered) + 1
	c.mu.Unlock()
	if line := q.waiting[c.options.Host]; !slices.Contains(line, c) {
		q.waiting[c.options.Host] = append(line, c)
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// watch ends a command whose host does not do its part in time.
func (s *Service) watch(c *Command) {
	limit := s.clock.After(s.options.StartLimit)
	for {
		select {
		case <-c.done:
			return
		case now := <-limit:
			c.mu.Lock()
			begun := c.result.AckedAt
			left := begun.Add(s.options.EventLimit).Sub(now)
			if !begun.IsZero() && left > 0 {
				c.mu.Unlock()
				limit = s.clock.After(left)
				continue
			}
			c.finish(now, func(r *Result) {
				r.Status, r.TimedOut = statusFailed, true
				r.Message = fmt.Sprintf("the host did not begin %s within %v", c.options.Name, s.options.StartLimit)
				if r.Acked {
					r.Message = fmt.Sprintf("the host did not end %s within %v", c.options.Name, s.options.EventLimit)
				}
			})
			c.mu.Unlock()
			return
		}
	}
}

// find returns the command with this identifier, or nil.
func (q *queue) find(id string) *Command {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.commands[id]
}

// takeFor returns the next command for host, or nil, and a channel that is closed when there may be another. A command
// stays in line until it is acknowledged, so that one whose delivery was lost is delivered again; redeliver is how long
// an unacknowledged one is left alone.
func (q *queue) takeFor(host string, now time.Time, redeliver time.Duration) (*Command, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.waiting[host]
	var found *Command
	kept := line[:0]
	for _, c := range line {
		c.mu.Lock()
		extra := c.delivered < c.options.Deliveries
		open := !c.finished && !c.result.Acked
		if found == nil && (extra || open && (c.delivered == 0 || now.Sub(c.last) >= redeliver)) {
			found = c
			c.delivered++
			c.last = now
			c.result.Deliveries = c.delivered
			extra = c.delivered < c.options.Deliveries
		}
		if extra || open {
			kept = append(kept, c)
		}
		c.mu.Unlock()
	}
	q.waiting[host] = kept
	return found, q.changed
}

// abandon ends every command that is under way, because the service closes.
func (q *queue) abandon(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, c := range q.commands {
		c.mu.Lock()
		c.finish(now, func(r *Result) {
			r.Status, r.Message = statusFailed, "the embedded service was closed"
		})
		c.mu.Unlock()
	}
}

// newCommandID makes up a HostCommandIdentifier. The form of the real ones is not documented; agents may use them as
// file content and in logs, but never take them apart.
func newCommandID() string { return "hc-" + randomHex(16) }

// randomHex returns n random bytes in hexadecimal. crypto/rand.Read never fails (it ends the program instead).
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
