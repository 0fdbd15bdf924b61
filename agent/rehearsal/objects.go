package rehearsal

import (
	"bytes"
	"crypto/md5" //nolint:gosec // an ETag of S3 is the content's MD5
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Object is an object of the embedded S3.
type Object struct {
	// Data is its content, or File the path of a file that holds it, opened for each request.
	Data []byte
	File string
	// Version is its version id; empty means that the bucket is not versioned.
	Version string
	// ETag is without quotes; empty means the content's MD5, as S3 has it for objects of one part.
	ETag string

	size     int64
	modified time.Time
}

// objects holds the versions of each object, the newest last, by bucket and key.
type objects struct {
	mu      sync.Mutex
	buckets map[string]map[string][]Object
}

func (o *objects) init() { o.buckets = map[string]map[string][]Object{} }

// Put puts an object and returns its ETag. One with the same version replaces the earlier, a new version goes on top.
func (s *Service) Put(bucket, key string, object Object) (string, error) {
	sum := md5.New()
	content, size, err := object.open()
	if err != nil {
		return "", fmt.Errorf("cannot put s3://%s/%s: %w", bucket, key, err)
	}
	_, err = io.Copy(sum, io.NewSectionReader(content, 0, size))
	if err = errors.Join(err, content.Close()); err != nil {
		return "", fmt.Errorf("cannot put s3://%s/%s: %w", bucket, key, err)
	}
	object.size, object.modified = size, s.clock.Now()
	if object.ETag == "" {
		object.ETag = hex.EncodeToString(sum.Sum(nil))
	}
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	keys := s.objects.buckets[bucket]
	if keys == nil {
		keys = map[string][]Object{}
		s.objects.buckets[bucket] = keys
	}
	for i, older := range keys[key] {
		if older.Version == object.Version {
			keys[key] = append(keys[key][:i:i], keys[key][i+1:]...)
			break
		}
	}
	keys[key] = append(keys[key], object)
	return object.ETag, nil
}

type content interface {
	io.ReaderAt
	io.Closer
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func (o Object) open() (content, int64, error) {
	if o.File == "" {
		return inMemory{bytes.NewReader(o.Data)}, int64(len(o.Data)), nil
	}
	f, err := os.Open(o.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// find returns the object, or why there is none.
func (o *objects) find(bucket, key, version string) (Object, *refusal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	keys, exists := o.buckets[bucket]
	if !exists {
		return Object{}, &refusal{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}
	}
	versions := keys[key]
	if len(versions) == 0 {
		return Object{}, &refusal{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	}
	if version == "" {
		return versions[len(versions)-1], nil
	}
	for _, object := range versions {
		if object.Version == version {
			return object, nil
		}
	}
	return Object{}, &refusal{http.StatusNotFound, "NoSuchVersion", "The specified version does not exist."}
}

// serveObject answers GET and HEAD of single objects, addressed in path style.
func (s *Service) serveObject(w http.ResponseWriter, r *http.Request) {
	operation := map[string]string{http.MethodGet: "GetObject", http.MethodHead: "HeadObject"}[r.Method]
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	entry := describe(r, operation, s.clock.Now())
	entry.Bucket, entry.Key = bucket, key
	if operation == "" || key == "" {
		entry.Operation = r.Method
	}
	fault, faulty := s.faults.take(entry.Operation, key)
	entry.Fault = fault.Kind
	number := s.record.begin(entry)
	finish := func(status int, problem string) {
		s.log.Debug("object request", zap.String("operation", entry.Operation), zap.String("key", key),
			zap.Int("status", status), zap.String("fault", string(fault.Kind)), zap.String("problem", problem))
		s.record.end(number, s.clock.Now(), func(e *Request) { e.Status, e.Problem = status, problem })
	}
	refuseObject := func(no *refusal) {
		finish(no.status, no.Error())
		s.objectError(w, r, no)
	}
	switch {
	case operation == "":
		refuseObject(&refusal{http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."})
		return
	case key == "":
		// Agents look at an endpoint before they use it; any answer will do.
		finish(http.StatusOK, "")
		w.Header().Set("Content-Type", "text/plain")
		s.write(w, []byte("CodeDeploy rehearsal\n"))
		return
	case faulty && fault.Kind == Delayed:
		if !s.pause(r, fault.Delay) {
			finish(0, "the caller went away")
			return
		}
	case faulty:
		if no, raw := objectFault(fault.Kind); no != nil {
			refuseObject(no)
			return
		} else if raw {
			s.failRaw(w, fault.Kind, func(status int) { finish(status, "") })
			return
		}
	}
	if r.Header.Get("Authorization") == "" && !r.URL.Query().Has("X-Amz-Signature") {
		refuseObject(&refusal{http.StatusForbidden, "AccessDenied", "Access Denied"})
		return
	}
	object, no := s.objects.find(bucket, key, entry.Version)
	if no != nil {
		refuseObject(no)
		return
	}
	if fault.Kind == WrongETag {
		object.ETag = strings.Repeat("0", 32)
	}
	if match := entry.IfMatch; match != "" && match != "*" && strings.Trim(match, `"`) != object.ETag {
		refuseObject(&refusal{http.StatusPreconditionFailed, "PreconditionFailed",
			"At least one of the pre-conditions you specified did not hold"})
		return
	}
	first, length, partial, no := byteRange(entry.Range, object.size)
	if no != nil {
		refuseObject(no)
		return
	}
	s.sendObject(w, r, object, first, length, partial, fault.Kind, finish)
}

// objectFault says what a fault is in S3: an error answer, or something raw.
func objectFault(kind FaultKind) (answer *refusal, raw bool) {
	switch kind {
	case InternalError:
		return &refusal{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}, false
	case Unavailable, TooManyRequests, Throttled:
		return &refusal{http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."}, false
	case Refused:
		return &refusal{http.StatusForbidden, "AccessDenied", "Access Denied"}, false
	case Expired:
		return &refusal{http.StatusBadRequest, "ExpiredToken", "The provided token has expired."}, false
	case Truncated, Stalled, WrongETag:
		return nil, false
	default:
		return nil, true
	}
}

func (s *Service) sendObject(w http.ResponseWriter, r *http.Request, object Object, first, length int64, partial bool, fault FaultKind,
	finish func(int, string)) {
	content, size, err := object.open()
	if err == nil && size != object.size {
		err = errors.Join(errors.New("the file has changed its size"), content.Close())
	}
	if err != nil {
		s.log.Error("cannot open an object", zap.String("file", object.File), zap.Error(err))
		no := &refusal{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}
		finish(no.status, err.Error())
		s.objectError(w, r, no)
		return
	}
	defer content.Close()
	header := w.Header()
	header.Set("Content-Type", "binary/octet-stream")
	header.Set("Accept-Ranges", "bytes")
	header.Set("ETag", `"`+object.ETag+`"`)
	header.Set("Last-Modified", object.modified.UTC().Format(http.TimeFormat))
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	header.Set("X-Amz-Request-Id", randomHex(8))
	if object.Version != "" {
		header.Set("X-Amz-Version-Id", object.Version)
	}
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, object.size))
	}
	w.WriteHeader(status)
	finish(status, "")
	if r.Method == http.MethodHead {
		return
	}
	half := fault == Truncated || fault == Stalled
	if half {
		length /= 2
	}
	if _, err := io.Copy(w, io.NewSectionReader(content, first, length)); err != nil {
		s.log.Debug("cannot send an object", zap.String("key", r.URL.Path), zap.Error(err))
		panic(http.ErrAbortHandler)
	}
	if !half {
		return
	}
	// Out with what was written, or the abort would take it along.
	_ = http.NewResponseController(w).Flush()
	if fault == Stalled {
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
	}
	panic(http.ErrAbortHandler)
}

// objectError answers as S3 does: with XML, and without a body to HEAD.
func (s *Service) objectError(w http.ResponseWriter, r *http.Request, no *refusal) {
	id := randomHex(8)
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestId string
	}{Code: no.kind, Message: no.message, RequestId: id})
	if err != nil {
		s.log.Error("cannot encode an error", zap.Error(err))
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", id)
	w.WriteHeader(no.status)
	if r.Method != http.MethodHead {
		s.write(w, append([]byte(xml.Header), body...))
	}
}

// byteRange reads a Range header: one range of bytes, as S3 supports. Anything else that is not a single range of
// bytes is ignored and gets the whole object.
func byteRange(header string, size int64) (first, length int64, partial bool, no *refusal) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	a, errA := strconv.ParseInt(from, 10, 64)
	b, errB := strconv.ParseInt(to, 10, 64)
	switch {
	case from == "" && errB == nil: // the last b bytes
		a, b = max(size-b, 0), size-1
	case errA == nil && to == "":
		b = size - 1
	case errA == nil && errB == nil && a <= b:
		b = min(b, size-1)
	default:
		return 0, size, false, nil
	}
	if a >= size || b < a {
		return 0, 0, false, &refusal{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable"}
	}
	return a, b - a + 1, true, nil
}
