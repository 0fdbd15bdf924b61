package command

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// skewThreshold is the difference from which a refused signature is blamed on the clock. The service accepts five
// minutes; the SDK uses the same four.
const skewThreshold = 4 * time.Minute

// clockCodes are the codes with which AWS services refuse a signature whose time is wrong. Each has other causes too, so
// they count only together with a difference that was measured.
var clockCodes = map[string]bool{
	"InvalidSignatureException": true,
	"SignatureDoesNotMatch":     true,
	"RequestTimeTooSkewed":      true,
	"RequestExpired":            true,
	"AuthFailure":               true,
	"AccessDeniedException":     true,
}

// clock is the difference between this host's clock and the service's.
//
// The Date of an answer corrects the time of signatures only after the service has refused one, so a wrong Date from
// something in between does no harm while all is well.
type clock struct {
	log *zap.Logger

	mu       sync.Mutex
	offset   time.Duration // added to this host's time in signatures
	observed time.Duration // in the latest answer
	known    bool
	warned   bool
}

func (c *clock) signing() (at time.Time, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset), c.offset
}

func (c *clock) observe(skew time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observed, c.known = skew, true
	if skew.Abs() <= skewThreshold {
		c.warned = false
	}
}

// correct makes skew the offset of later signatures, if it differs enough from that of the refused one to explain the
// refusal.
func (c *clock) correct(skew, used time.Duration) bool {
	if (skew - used).Abs() <= skewThreshold {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = skew
	if skew.Abs() > skewThreshold && !c.warned {
		c.warned = true
		c.log.Warn("the command service refused a signature because of this host's clock: signing with the service's time; check the host's time synchronisation",
			zap.Duration("skew", skew.Round(time.Second)))
	}
	return true
}

// ClockSkew is the service's time minus this host's in the latest answer; ok is false when there was none yet.
func (c *Client) ClockSkew() (skew time.Duration, ok bool) {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.observed, c.clock.known
}
