package revision

import (
	"context"
	"fmt"
	"io"
	"time"
)

// defaultStall is how long a server may send nothing before the connection is given up. There is no limit on the whole download:
// a big bundle over a slow line is not an error.
const defaultStall = 60 * time.Second

// watchdog cancels a request that brings nothing for a while.
type watchdog struct {
	after  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// watch returns a context for one request. Every read from body restarts the time; stop must be called.
func watch(ctx context.Context, after time.Duration) (context.Context, *watchdog) {
	if after <= 0 {
		after = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{after: after, cancel: cancel}
	w.timer = time.AfterFunc(after, func() { cancel(&stalled{after}) })
	return ctx, w
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// body returns r with the watch on it. The error of a stalled read says so, not "context canceled".
func (w *watchdog) body(ctx context.Context, r io.Reader) io.Reader { return &watched{ctx, w, r} }

type watched struct {
	ctx context.Context
	w   *watchdog
	r   io.Reader
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		b.w.timer.Reset(b.w.after)
	}
	if err != nil && err != io.EOF {
		err = stallCause(b.ctx, err)
	}
	return n, err
}

// stalled is why a request was given up by its watchdog. It counts as a time-out, so it is tried again.
type stalled struct{ after time.Duration }

func (e *stalled) Error() string { return fmt.Sprintf("nothing was received for %s", e.after) }
func (e *stalled) Timeout() bool { return true }

// stallCause replaces the "context canceled" that a stalled request ends with.
func stallCause(ctx context.Context, err error) error {
	if s, ok := context.Cause(ctx).(*stalled); ok {
		return s
	}
	return err
}

// sleep waits, or returns early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
