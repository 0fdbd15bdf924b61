package revision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"go.uber.org/zap"
)

// s3RecordEvery is how often a download's description is brought up to date: what a kill or a power loss can cost at most, while a
// download that takes less than that has no description at all. Each time costs one fdatasync of what came since, which the disk
// has to write anyway, and one small file, and no connection waits for it.
const s3RecordEvery = time.Second

// recall opens what an earlier download left. It returns false if there is nothing that can be continued; why does not matter to
// the download, which then begins anew.
func (f *s3Fetch) recall() bool {
	p, err := loadPartial(f.path)
	if err == nil && p != nil {
		err = f.reopen(p)
	}
	if err != nil {
		f.o.Log.Warn("what an earlier download left cannot be used", zap.Stringer("source", f), zap.Error(err))
	}
	return err == nil && p != nil
}

func (f *s3Fetch) reopen(p *partial) error {
	switch {
	case p.Source != f.identity():
		return fmt.Errorf("it is of %s", p.Source)
	case f.etag != "" && p.ETag != f.etag:
		return fmt.Errorf("it is of the object with the ETag %s, not %s", p.ETag, f.etag)
	case p.ETag == "" && f.version == "":
		return errors.New("nothing says which object it is of")
	}
	info, err := os.Lstat(f.path)
	if err != nil {
		return err
	}
	got := p.spans()
	if !info.Mode().IsRegular() || len(got) == 0 || info.Size() < got[len(got)-1].to {
		return errors.New("its file is not what its description says")
	}
	sums, err := checksumsOf(p.Checksums)
	if err != nil {
		return err
	}
	file, err := f.open(f.path, os.O_RDWR)
	if err != nil {
		return err
	}
	f.file, f.got, f.recorded = file, got, got.bytes()
	f.object = &s3Object{etag: p.ETag, version: p.VersionID, size: p.Size, sums: sums}
	f.o.Log.Info("continuing an interrupted download", zap.Stringer("source", f), zap.Int64("bytes", f.recorded), zap.Int64("of", p.Size))
	return nil
}

// identity is what was asked for, the ETag apart.
func (f *s3Fetch) identity() string {
	if f.version == "" {
		return f.String()
	}
	return f.String() + "?versionId=" + f.version
}

// outdated tells whether an error of a continued download may be due to what was there before it.
func outdated(err error) bool {
	var other *etagError
	var damage *damageError
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status := response.HTTPStatusCode()
		return status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable
	}
	return errors.Is(err, errChanged) || errors.Is(err, errNoRange) || errors.As(err, &other) || errors.As(err, &damage)
}

// keepRecord brings the description up to date until stop is called. When the disk fails meanwhile, cancel gets the reason.
func (f *s3Fetch) keepRecord(cancel context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	var recorder sync.WaitGroup
	recorder.Go(func() {
		tick := time.NewTicker(f.recordEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if err := f.record(); err != nil {
				cancel(err)
				return
			}
		}
	})
	return func() { close(done); recorder.Wait() }
}

// record makes durable what came so far, and then says so in the description. It is for one goroutine at a time.
func (f *s3Fetch) record() error {
	p := f.partial()
	if p == nil {
		return nil
	}
	if err := f.file.SyncData(); err != nil { // afterwards the kernel may have dropped what it could not write: no second try
		return &storageError{err}
	}
	if err := p.save(f.path); err != nil {
		if !f.silent {
			f.o.Log.Warn("if the agent goes down now, the download begins anew", zap.Stringer("source", f), zap.Error(err))
		}
		f.silent = true
		return nil
	}
	f.recorded = p.spans().bytes()
	return nil
}

// partial describes what is in the file; nil if there is nothing new, or no way to continue it.
func (f *s3Fetch) partial() *partial {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.object == nil || f.object.size < 0 || !f.pinned() || f.got.bytes() == f.recorded {
		return nil
	}
	p := &partial{Source: f.identity(), ETag: f.object.etag, VersionID: f.object.version, Size: f.object.size, Checksums: map[string]string{}}
	for _, c := range f.object.sums {
		p.Checksums[c.name] = c.want
	}
	p.setSpans(slices.Clone(f.got))
	return p
}
