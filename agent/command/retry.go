package command

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

// The extra attempts of every call but a poll. A poll has none: its caller polls again anyway, and knows better when.
const (
	retriesTransient = 3
	retriesThrottled = 5 // as the official agent 2.x
)

// policy decides which attempt of one call is repeated, and when. It belongs to that call alone.
//
// Beside the ordinary repetitions each call has two corrections that cost nothing and are due at once: credentials that
// the service no longer accepts are fetched again, and a signature with the wrong time is made again with the right one.
type policy struct {
	client    *Client
	operation string

	transient, throttled    int // repetitions left
	renewed, clockCorrected bool

	done  int // transient repetitions so far
	delay time.Duration
}

func (c *Client) policyFor(operation string) *policy {
	p := &policy{client: c, operation: operation}
	if operation != opPoll {
		p.transient, p.throttled = retriesTransient, retriesThrottled
	}
	return p
}

// MaxAttempts is the sum of all the repetitions that IsErrorRetryable can grant, so that it alone decides.
func (p *policy) MaxAttempts() int { return 1 + retriesTransient + retriesThrottled + 2 }

// IsErrorRetryable is asked once for each attempt that failed.
func (p *policy) IsErrorRetryable(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	p.delay = 0
	switch {
	case e.skewed:
		if p.clockCorrected {
			return false
		}
		p.clockCorrected = true
	case IsExpiredToken(e):
		if p.renewed {
			return false
		}
		p.renewed = true
		p.client.credentials.Invalidate()
	case IsThrottle(e):
		// The next attempt waits for the gate, which this one has closed.
		if p.throttled == 0 {
			return false
		}
		p.throttled--
	case e.transient:
		if p.transient == 0 {
			return false
		}
		p.transient--
		p.delay = p.client.backoff(p.done)
		p.done++
	default:
		return false
	}
	p.client.log.Debug("a call to the command service is repeated", zap.String("operation", p.operation),
		zap.Duration("delay", p.delay), zap.String("reason", e.Error()))
	return true
}

// RetryDelay is what IsErrorRetryable has decided.
func (p *policy) RetryDelay(int, error) (time.Duration, error) { return p.delay, nil }

// The retry quota of the SDK is not used: it would end the repetitions of one call because others had failed.

func (p *policy) GetRetryToken(context.Context, error) (func(error) error, error) {
	return release, nil
}

func (p *policy) GetAttemptToken(context.Context) (func(error) error, error) {
	return release, nil
}

func (p *policy) GetInitialToken() func(error) error { return release }

func release(error) error { return nil }

// backoff is the delay before the n-th repetition, from 0: half a second, doubling to eight, of which up to a half is
// left out by chance.
func backoff(n int) time.Duration {
	d := min(500*time.Millisecond<<min(n, 10), 8*time.Second)
	return d - time.Duration(rand.Float64()*float64(d)/2)
}
