package revision

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"
)

// s3Object is what the first answer says of the object.
type s3Object struct {
	etag, version string
	size          int64 // -1: not told
	sums          []checksum
}

// pinned tells whether later requests can ask for exactly this object.
func (f *s3Fetch) pinned() bool { return f.version != "" || f.object.etag != "" }

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
		return nil, errNoRange
	}
	if f.object == nil {
		f.object = &s3Object{etag: etag, version: aws.ToString(out.VersionId), size: size, sums: wholeChecksums(out)}
		if size > 0 {
			return f.object, room(f.path, size, size)
		}
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

// errNoRange is a server that sends the whole object when it is asked for a part.
var errNoRange = errors.New("the connection broke off, and the server cannot continue a download (it ignores Range)")

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
