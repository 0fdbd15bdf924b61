package revision

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/progress"
	"codedeploy-agent/hooks/faultpoint"
)

const (
	s3Attempts    = 5
	s3Connections = 4
	s3Big         = 32 << 20 // objects of this size are worth more than one connection
	s3Part        = 16 << 20
	s3Headway     = 1 << 20 // after an attempt that brings this much, attempts are counted anew
)

// s3Fetch is one download.
type s3Fetch struct {
	*s3Source
	path     string
	file     part
	recorded int64 // bytes that the description beside the file has
	silent   bool  // it was logged that there is no description

	mu     sync.Mutex // guards all below; parts arrive on several connections
	region string
	at     *s3.Client // for region
	moved  bool       // the region was corrected once
	object *s3Object
	got    spans // what is in the file
	gauge  disk.Gauge
	work   *progress.Work
}

// fetch goes on with what an earlier download left, if the object is still the same, or begins.
func (f *s3Fetch) fetch(ctx context.Context) error {
	if f.recall() {
		err := f.run(ctx)
		if err == nil || ctx.Err() != nil || !outdated(err) {
			return err
		}
		f.o.Log.Warn("what an earlier download left cannot be continued; the download begins anew", zap.Stringer("source", f), zap.Error(err))
	}
	if err := f.begin(); err != nil {
		return err
	}
	return f.run(ctx)
}

// begin makes a new file.
func (f *s3Fetch) begin() (err error) {
	if err := f.close(); err != nil {
		return err
	}
	if err := discardPart(f.path); err != nil {
		return &storageError{err}
	}
	f.object, f.got, f.recorded = nil, nil, 0
	f.file, err = f.open(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	return err
}

func (f *s3Fetch) close() error {
	file := f.file
	if f.file = nil; file == nil {
		return nil
	}
	if err := file.Close(); err != nil {
		return &storageError{err}
	}
	return nil
}

// run fetches what is missing and checks the whole.
func (f *s3Fetch) run(ctx context.Context) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := f.keepRecord(cancel)
	err := f.transfer(within)
	stop()
	if err == nil {
		err = context.Cause(within) // what was written at the very end may not have reached the disk
	}
	if err != nil {
		return err
	}
	if n := f.got.bytes(); f.object.size >= 0 && n != f.object.size {
		return fmt.Errorf("%d bytes were received, the object has %d", n, f.object.size)
	}
	if err := verify(ctx, f.file, f.object.sums); err != nil {
		return err
	}
	if f.recorded == 0 {
		return nil // it came so fast that nothing is lost if it has to come again
	}
	return f.record()
}

// transfer fetches what is missing: the first part or all of a new object over one connection, the rest of a big one over several.
func (f *s3Fetch) transfer(ctx context.Context) error {
	if f.object == nil {
		if _, err := f.stretch(ctx, 0, -1); err != nil {
			return err
		}
		if f.object.size < 0 {
			return nil
		}
		return f.parts(ctx, f.got.missing(f.object.size, s3Part))
	}
	if err := room(f.path, f.object.size, f.object.size-f.got.bytes()); err != nil {
		return err
	}
	missing := f.got.missing(f.object.size, s3Part)
	if len(missing) == 0 { // one byte shows whether the object is still the same
		missing = []span{{f.object.size - 1, f.object.size}}
	}
	return f.parts(ctx, missing)
}

// parts downloads ranges of the object, those of a big one over several connections.
func (f *s3Fetch) parts(ctx context.Context, missing []span) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	connections := s3Connections
	if f.object.size < s3Big {
		connections = 1
	}
	next := make(chan span)
	var workers sync.WaitGroup
	for range min(connections, len(missing)) {
		workers.Go(func() {
			for part := range next {
				if _, err := f.stretch(ctx, part.from, part.to); err != nil {
					cancel(err) // the first one counts
					return
				}
			}
		})
	}
	for _, part := range missing {
		select {
		case next <- part:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// stretch downloads the bytes from, inclusive, to, exclusive, and returns how far it came. A negative to is the end of the object, or
// of its first part if the answer shows it to be big.
func (f *s3Fetch) stretch(ctx context.Context, from, to int64) (int64, error) {
	standard := retry.NewStandard()
	renewed := false
	for attempt := 1; ; attempt++ {
		n, end, err := f.attempt(ctx, from, to)
		from, to = from+n, end
		if err == nil {
			return from, nil
		}
		if ctx.Err() != nil {
			return from, context.Cause(ctx)
		}
		if n >= s3Headway {
			attempt = 1
		}
		if !renewed && expired(err) && f.renew() {
			renewed = true
			f.o.Log.Info("S3 does not accept the credentials any more; they are fetched again", zap.Stringer("source", f))
			continue
		}
		if !worthRetrying(standard, err) {
			return from, err
		}
		if attempt >= s3Attempts {
			return from, fmt.Errorf("%w (after %d attempts)", err, attempt)
		}
		if from > 0 && (f.object == nil || !f.pinned()) { // nothing says that the rest would be of the same object
			from, to = 0, -1
			if err := f.forget(); err != nil {
				return 0, err
			}
		}
		pause := time.Duration(float64(500*time.Millisecond<<(attempt-1)) * (0.5 + rand.Float64()/2))
		f.o.Log.Warn("the download from S3 broke off; it is resumed", zap.Stringer("source", f), zap.Int64("at", from),
			zap.Int("attempt", attempt), zap.Duration("pause", pause), zap.Error(err))
		if err := f.o.Sleep(ctx, pause); err != nil {
			return from, err
		}
	}
}

// expired says whether S3 refused the credentials because of their age.
func expired(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "ExpiredToken" || api.ErrorCode() == "TokenRefreshRequired")
}

// renew makes the next request fetch the credentials again, if they are of a kind that can be.
func (f *s3Fetch) renew() bool {
	held, ok := f.o.Credentials.(interface{ Invalidate() })
	if ok {
		held.Invalidate()
	}
	return ok
}

// forget drops all that came.
func (f *s3Fetch) forget() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = nil
	if err := f.file.Truncate(0); err != nil {
		return &storageError{err}
	}
	return nil
}

func worthRetrying(standard *retry.Standard, err error) bool {
	var storage *storageError
	var body *bodyError
	var stall *stalled
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) || errors.As(err, &storage) {
		return false
	}
	return errors.As(err, &body) || errors.As(err, &stall) || standard.IsErrorRetryable(err)
}

// bodyError is a connection that broke off while the object was being read.
type bodyError struct {
	err        error
	got, total int64
}

func (e *bodyError) Error() string {
	return fmt.Sprintf("the connection broke off after %d of %d bytes: %v", e.got, e.total, e.err)
}
func (e *bodyError) Unwrap() error { return e.err }

// attempt makes one request and writes what it brings. It returns the number of bytes written and where the stretch ends.
func (f *s3Fetch) attempt(ctx context.Context, from, to int64) (n, end int64, err error) {
	ctx, dog := watch(ctx, f.o.Stall)
	defer dog.stop()
	out, err := f.get(ctx, from, to)
	if err != nil {
		return 0, to, stallCause(ctx, err)
	}
	defer out.Body.Close()
	object, err := f.describe(out, from)
	if err != nil {
		return 0, to, err
	}
	if to < 0 {
		to = object.size
		if object.size >= s3Big && f.pinned() {
			to = s3Part
		}
	}
	body := dog.body(ctx, out.Body)
	if to >= 0 {
		body = io.LimitReader(body, to-from)
	}
	n, err = io.CopyBuffer(&located{f, from}, body, make([]byte, 128<<10))
	var storage *storageError
	switch {
	case err == nil && to >= 0 && from+n < to:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil && !errors.As(err, &storage):
		err = &bodyError{err, from + n, object.size}
	}
	return n, to, err
}

// located writes to its place in the file.
type located struct {
	f  *s3Fetch
	at int64
}

func (l *located) Write(p []byte) (int, error) {
	if err := faultpoint.At("download write"); err != nil {
		return 0, &storageError{err}
	}
	n, err := l.f.file.WriteAt(p, l.at)
	from := l.at
	l.at += int64(n)
	if err != nil {
		l.f.arrived(span{from, l.at})
		return n, &storageError{err}
	}
	return n, l.f.arrived(span{from, l.at})
}

// arrived notes what was written, and stops a download for which the disk becomes too small.
func (f *s3Fetch) arrived(s span) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got.add(s)
	if err := f.gauge.Wrote(s.to-s.from, f.missing()); err != nil {
		return &storageError{err}
	}
	f.work.Expect(0, max(f.object.size, 0))
	f.work.Has(f.got.bytes())
	return nil
}

// missing is how many bytes are to come, as far as that is known. The caller holds the lock.
func (f *s3Fetch) missing() int64 {
	if f.object == nil || f.object.size < 0 {
		return 0
	}
	return f.object.size - f.got.bytes()
}

// trouble says what the operator can do about an error of the disk.
func (f *s3Fetch) trouble(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return disk.Explain(err, filepath.Dir(f.path), f.missing())
}
