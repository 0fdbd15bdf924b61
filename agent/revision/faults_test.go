//go:build unix

package revision

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeErrors are what a disk or system may answer, and what the operator is told besides.
var writeErrors = []struct {
	errno syscall.Errno
	want  []string // DIR stands for the directory
}{
	{syscall.ENOSPC, []string{"not enough disk space at DIR", "are available", "max_revisions"}},
	{syscall.EDQUOT, []string{"the disk quota of the user with the id", "DIR", "raise it"}},
	{syscall.EIO, []string{"the device of DIR", "dmesg"}},
	{syscall.EROFS, []string{"the file system of DIR is read-only", "mount it read-write"}},
	{syscall.EMFILE, []string{"the agent has as many files open as it may", "LimitNOFILE="}},
	{syscall.ENFILE, []string{"fs.file-max"}},
	{syscall.EFBIG, []string{"may not be that big", "DIR"}},
}

// brokenPart fails at one of its steps with one error.
type brokenPart struct {
	part
	step  string
	errno syscall.Errno
	after int64 // bytes that can be written

	written atomic.Int64
}

func (p *brokenPart) fail(step string) error {
	if step != p.step {
		return nil
	}
	return &fs.PathError{Op: step, Path: "the part", Err: p.errno}
}

func (p *brokenPart) WriteAt(data []byte, at int64) (int, error) {
	if p.written.Add(int64(len(data))) > p.after {
		if err := p.fail("write"); err != nil {
			n, _ := p.part.WriteAt(data[:len(data)/2], at) // as much as there was room for
			return n, err
		}
	}
	return p.part.WriteAt(data, at)
}

func (p *brokenPart) SyncData() error { return errors.Join(p.fail("fdatasync"), p.part.SyncData()) }
func (p *brokenPart) Close() error    { return errors.Join(p.part.Close(), p.fail("close")) }

func breaking(step string, errno syscall.Errno, after int64) opener {
	return func(path string, flag int) (part, error) {
		if step == "open" {
			return nil, &storageError{&fs.PathError{Op: "open", Path: path, Err: errno}}
		}
		p, err := openPart(path, flag)
		return &brokenPart{part: p, step: step, errno: errno, after: after}, err
	}
}

// TestDownloadWriteErrors has every error at every step of storing a bundle. One attempt is made, the error says what can be done,
// nothing is left, and an older bundle is as it was.
func TestDownloadWriteErrors(t *testing.T) {
	t.Parallel()
	content := random(3 << 20)
	s3 := newBucket(t, map[string][]byte{"app.tgz": content})
	s3.interfere = func(_ int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		if r.URL.Query().Get("versionId") == "slow" { // until the recorder has met the error
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:len(data)/2])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	s3.objects["app.tgz?slow"] = content
	hub := newHub(t)
	hub.serve = func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(content) }
	for _, source := range []string{"S3", "S3, recording", "GitHub"} {
		steps := map[string][]string{"S3": {"open", "write", "close"}, "S3, recording": {"fdatasync"}, "GitHub": {"open", "write", "close"}}[source]
		for _, step := range steps {
			for _, test := range writeErrors {
				var s Source
				var sleeps atomic.Int64
				sleep := func(context.Context, time.Duration) error { sleeps.Add(1); return nil }
				open := breaking(step, test.errno, 1<<20)
				if source == "GitHub" {
					g := must(NewGitHub(GitHubOptions{Endpoint: hub.api.URL, Sleep: sleep}, "some org", "repo", "feature/x", TGZ)).(*github)
					g.open, s = open, g
				} else {
					o, version := s3.options(nil), ""
					o.Sleep = sleep
					if source == "S3, recording" {
						version = "slow"
					}
					x := must(NewS3(o, "releases", "app.tgz", version, "")).(*s3Source)
					x.open, x.recordEvery, s = open, time.Millisecond, x
				}
				bundle := filepath.Join(t.TempDir(), "bundle.tar")
				if err := os.WriteFile(bundle, []byte("older"), 0o644); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%s: %v at %s", source, test.errno, step)
				_, err := Download(context.Background(), s, bundle, 0o644, nil)
				checkWriteError(t, name, err, test.errno, filepath.Dir(bundle), test.want)
				if err != nil && source == "S3" && step == "write" && test.errno == syscall.ENOSPC {
					// 1 MiB less a piece, and half of the next piece, have come
					if n := needed(err.Error()); n < 15<<17 || n > 17<<17 {
						t.Errorf("%s: %v says that %d bytes are needed, want the rest of 3 MiB", name, err, n)
					}
				}
				if sleeps.Load() > 0 {
					t.Errorf("%s: it was tried again", name)
				}
				if d := cmp.Diff([]string{"bundle.tar"}, names(t, filepath.Dir(bundle))); d != "" {
					t.Errorf("%s leaves (-want +got):\n%s", name, d)
				}
				wantContent(t, bundle, []byte("older"))
			}
		}
	}
}

// needed is the number in "… bytes are needed".
func needed(text string) (n int64) {
	head, _, _ := strings.Cut(text, " bytes are needed")
	fmt.Sscan(head[strings.LastIndex(head, " ")+1:], &n)
	return n
}

func checkWriteError(t *testing.T, name string, err error, errno syscall.Errno, dir string, want []string) {
	t.Helper()
	if err == nil || !errors.Is(err, errno) || !strings.HasPrefix(err.Error(), "cannot ") {
		t.Errorf("%s: %v, want an error of that kind", name, err)
		return
	}
	for _, w := range want {
		if w = strings.ReplaceAll(w, "DIR", dir); strings.Count(err.Error(), w) == 0 {
			t.Errorf("%s: %v, want %q in it", name, err, w)
		}
	}
	if n := strings.Count(err.Error(), want[0]); n > 1 {
		t.Errorf("%s: %v explains itself %d times", name, err, n)
	}
}

// TestUnpackWriteErrors has every error at every step of making an archive. The error says where and what can be done, nothing is
// left, and an older archive is as it was.
func TestUnpackWriteErrors(t *testing.T) {
	t.Parallel()
	entries := []entry{file("appspec.yml", "x", 0o644), dir("d", 0o755), file("implied/big", strings.Repeat("big", 100_000), 0o644), link("l", "d")}
	for format, data := range map[Format][]byte{Tar: packTar(t, tar.FormatGNU, entries...), Zip: packZip(t, entries...)} {
		for _, at := range []struct{ step, name, want string }{
			{"mkdir", "d", `entry "d`}, {"mkdir", "implied", `entry "implied/big"`}, {"create", "implied/big", `entry "implied/big"`},
			{"write", "implied/big", `entry "implied/big"`}, {"symlink", "l", `entry "l"`}, {"finish", ".", "bundle.tar"},
		} {
			for _, test := range writeErrors {
				bundle, archive := store(t, data)
				if err := os.MkdirAll(filepath.Join(archive, "older"), 0o755); err != nil {
					t.Fatal(err)
				}
				around := snapshot(t, filepath.Dir(archive))
				writes := 0
				err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{fault: func(step, name string) error {
					if step != at.step || !strings.HasSuffix(name, at.name) {
						return nil
					}
					if writes++; step == "write" && writes < 2 {
						return nil
					}
					return &fs.PathError{Op: step, Path: name, Err: test.errno}
				}})
				name := fmt.Sprintf("%s: %v at %s of %s", format, test.errno, at.step, at.name)
				checkWriteError(t, name, err, test.errno, filepath.Dir(archive), append(test.want, at.want))
				if err != nil && at.step == "write" && test.errno == syscall.ENOSPC {
					if n := needed(err.Error()); n < 1 || n > 300_000 {
						t.Errorf("%s: %v says that %d bytes are needed, want the rest of 300000", name, err, n)
					}
				}
				if d := cmp.Diff(around, snapshot(t, filepath.Dir(archive))); d != "" {
					t.Errorf("%s changes what is around the archive (-before +after):\n%s", name, d)
				}
			}
		}
	}
}

// TestDownloadKnowsItsSize asks for a bundle that no disk holds. Not a byte is fetched.
func TestDownloadKnowsItsSize(t *testing.T) {
	t.Parallel()
	var read atomic.Int64
	huge := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"abc"`}, "Content-Length": {"36028797018963968"}}, ContentLength: 1 << 55, Request: r,
			Body: io.NopCloser(countedReader{&read})}, nil
	})
	for name, s := range map[string]Source{
		"S3":     must(NewS3(S3Options{Region: "eu-west-1", Transport: huge}, "releases", "app.tgz", "", "")),
		"GitHub": must(NewGitHub(GitHubOptions{Transport: huge}, "org", "repo", "main", TGZ)),
	} {
		bundle := filepath.Join(t.TempDir(), "bundle.tar")
		_, err := Download(context.Background(), s, bundle, 0o644, nil)
		for _, want := range []string{"it has 36028797018963968 bytes", "not enough disk space at " + filepath.Dir(bundle),
			"72057594037927936 bytes are needed", "are available"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Download(%s) = %v, want an error with %q", name, err, want)
			}
		}
		if rest := names(t, filepath.Dir(bundle)); len(rest) > 0 {
			t.Errorf("Download(%s) leaves %v", name, rest)
		}
	}
	if n := read.Load(); n > 0 {
		t.Errorf("%d bytes were read, want none", n)
	}
}

type countedReader struct{ n *atomic.Int64 }

func (c countedReader) Read(p []byte) (int, error) {
	if c.n.Add(int64(len(p))) > 1<<20 {
		return 0, errors.New("this goes too far")
	}
	return len(p), nil
}
