package revision

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"

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
	file *os.File

	mu     sync.Mutex // guards all below; parts arrive on several connections
	region string
	at     *s3.Client // for region
	moved  bool       // the region was corrected once
	object *s3Object
	done   int64
	report func(Progress)
}

// s3Object is what the first answer says of the object.
type s3Object struct {
	etag, version string
	size          int64 // -1: not told
	sums          []checksum
}

// pinned tells whether later requests can ask for exactly this object.
func (f *s3Fetch) pinned() bool { return f.version != "" || f.object.etag != "" }

func (f *s3Fetch) run(ctx context.Context) error {
	at, err := f.stretch(ctx, 0, -1)
	if err != nil {
		return err
	}
	if at < f.object.size {
		if err := f.parts(ctx, at); err != nil {
			return err
		}
	}
	if f.object.size >= 0 && f.done != f.object.size {
		return fmt.Errorf("%d bytes were received, the object has %d", f.done, f.object.size)
	}
	return verify(ctx, f.file, f.object.sums)
}

// parts downloads the object from the byte at to its end over several connections.
func (f *s3Fetch) parts(ctx context.Context, at int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	starts := make(chan int64)
	var workers sync.WaitGroup
	for range s3Connections {
		workers.Go(func() {
			for from := range starts {
				if _, err := f.stretch(ctx, from, min(from+s3Part, f.object.size)); err != nil {
					cancel(err) // the first one counts
					return
				}
			}
		})
	}
	for ; at < f.object.size && ctx.Err() == nil; at += s3Part {
		select {
		case starts <- at:
		case <-ctx.Done():
		}
	}
	close(starts)
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
			f.add(-from)
			from, to = 0, -1
			if err := f.file.Truncate(0); err != nil {
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

func worthRetrying(standard *retry.Standard, err error) bool {
	var body *bodyError
	var stall *stalled
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
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
	n, err = io.CopyBuffer(&located{f, io.NewOffsetWriter(f.file, from)}, body, make([]byte, 128<<10))
	var disk *os.PathError
	switch {
	case err == nil && to >= 0 && from+n < to:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil && !errors.As(err, &disk):
		err = &bodyError{err, from + n, object.size}
	}
	return n, to, err
}

// located writes to its place in the file and counts.
type located struct {
	f *s3Fetch
	w io.Writer
}

func (l *located) Write(p []byte) (int, error) {
	if err := faultpoint.At("download write"); err != nil {
		return 0, err
	}
	n, err := l.w.Write(p)
	l.f.add(int64(n))
	return n, err
}

func (f *s3Fetch) add(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done += n
	if f.report != nil {
		f.report(Progress{Done: f.done, Total: max(f.object.size, 0)})
	}
}

// get asks for the bytes from from to to, or for everything. If S3 names another region for the bucket, it is asked there.
func (f *s3Fetch) get(ctx context.Context, from, to int64) (*s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{Bucket: &f.bucket, Key: &f.key}
	if f.version != "" {
		in.VersionId = &f.version
	}
	f.mu.Lock()
	client, etag := f.at, f.etag
	if etag == "" && f.object != nil {
		etag = f.object.etag
	}
	f.mu.Unlock()
	if etag != "" {
		in.IfMatch = aws.String(`"` + etag + `"`)
	}
	var options []func(*s3.Options)
	if from > 0 || to >= 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", from))
		if to >= 0 {
			*in.Range += strconv.FormatInt(to-1, 10)
		}
	} else { // for the header only: the SDK's own check would not survive a broken connection
		options = append(options, s3.WithAPIOptions(smithyhttp.AddHeaderValue("x-amz-checksum-mode", "ENABLED")))
	}
	out, err := client.GetObject(ctx, in, options...)
	if err != nil && f.move(err) {
		out, err = f.current().GetObject(ctx, in, options...)
	}
	return out, err
}

func (f *s3Fetch) current() *s3.Client {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// move follows S3 to the bucket's region, once.
func (f *s3Fetch) move(err error) bool {
	region := bucketRegion(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if region == "" || region == f.region || f.moved {
		return false
	}
	f.o.Log.Info("the bucket is in another region", zap.Stringer("source", f), zap.String("expected", f.region), zap.String("region", region))
	f.moved, f.region, f.at = true, region, f.client(region)
	return true
}

// describe checks that an answer is the part of the object that was asked for, and notes what the first one says.
func (f *s3Fetch) describe(out *s3.GetObjectOutput, from int64) (*s3Object, error) {
	etag := unquote(aws.ToString(out.ETag))
	if f.etag != "" && etag != "" && f.etag != etag {
		return nil, &etagError{f.etag, etag}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	size := int64(-1)
	if out.ContentLength != nil {
		size = *out.ContentLength
	}
	ranged := out.ContentRange != nil
	if ranged {
		start, total, err := parseRange(*out.ContentRange)
		if err != nil {
			return nil, err
		}
		if start != from {
			return nil, fmt.Errorf("the answer has the bytes from %d, not from %d", start, from)
		}
		size = total
	}
	if from > 0 && !ranged {
		return nil, errors.New("the connection broke off, and the server cannot continue a download (it ignores Range)")
	}
	if f.object == nil {
		f.object = &s3Object{etag: etag, version: aws.ToString(out.VersionId), size: size, sums: wholeChecksums(out)}
		return f.object, nil
	}
	if from == 0 && !f.pinned() { // begun again
		*f.object = s3Object{etag: etag, version: aws.ToString(out.VersionId), size: size, sums: wholeChecksums(out)}
	}
	if etag != f.object.etag || size != f.object.size {
		return nil, errChanged
	}
	return f.object, nil
}

func parseRange(header string) (start, total int64, err error) {
	wrong := fmt.Errorf("the answer has the range %q, which cannot be read", header)
	span, all, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	first, _, ok2 := strings.Cut(span, "-")
	if !ok || !ok2 {
		return 0, 0, wrong
	}
	if start, err = strconv.ParseInt(first, 10, 64); err != nil {
		return 0, 0, wrong
	}
	if total, err = strconv.ParseInt(all, 10, 64); err != nil {
		return 0, 0, wrong
	}
	return start, total, nil
}
