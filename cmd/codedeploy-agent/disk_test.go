//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/rehearsal"
)

// mount gives a directory of the host a small file system of its own. It skips the test where that is not possible.
func (h *host) mount(name, options string) {
	h.t.Helper()
	dir := h.path(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=755"); err != nil {
		h.t.Skipf("needs to mount a file system, which takes root and CAP_SYS_ADMIN: %v", err)
	}
	h.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			h.t.Error(err)
		}
	})
}

// fill writes a file so that so many bytes remain on its file system.
func (h *host) fill(name string, remaining int64) {
	h.t.Helper()
	path := h.path(name)
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &s); err != nil {
		h.t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	for n := int64(s.Bavail)*s.Bsize - remaining; n > 0; n -= 1 << 20 {
		if _, err := f.Write(make([]byte, min(n, 1<<20))); err != nil {
			h.t.Fatal(err)
		}
	}
}

// wantNothingOf checks that a deployment that failed has left no file.
func (h *host) wantNothingOf(deployment string) {
	h.t.Helper()
	err := filepath.WalkDir(h.path("root/"+group+"/"+deployment), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() || strings.Contains(path, "archive") {
			h.t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		h.t.Error(err)
	}
}

// specOfZip is as spec, of a zip.
func (h *host) specOfZip(files []file) rehearsal.SpecOptions {
	h.t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		header.SetMode(fs.FileMode(f.mode | 0o644))
		out, err := w.CreateHeader(header)
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := out.Write([]byte(f.content)); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	spec := h.spec(files)
	location := *spec.Revision.S3
	etag, err := h.service.Put(location.Bucket, location.Key, rehearsal.Object{Data: b.Bytes()})
	if err != nil {
		h.t.Fatal(err)
	}
	location.ETag, location.BundleType = etag, "zip"
	spec.Revision.S3 = &location
	return spec
}

var spaceNumbers = regexp.MustCompile(`not enough disk space at (\S+): (\d+) bytes are needed, (\d+) are available`)

// A deployment root with 5 MB left gets revisions of 20 MB, packed and unpacked, and of more files than it has inodes for. Each
// DownloadBundle fails with the numbers, nothing is left of it, and the version that is there goes on serving. With room the
// same revision is deployed.
func TestDeploymentRootThatIsFull(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mount("root", "size=40m,nr_inodes=1500")
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	const free = 2_000_000
	h.fill("root/filler", free)

	big := h.revision("two", nil, file{"content/big", noise(6_000_000), 0o644})
	shrinking := h.revision("two", nil, file{"content/big", strings.Repeat("six megabytes\n", 6_000_000/14), 0o644})
	many := h.revision("two", nil)
	for i := range 2000 {
		many = append(many, file{fmt.Sprintf("content/%d/%d", i/100, i), "", 0o644})
	}
	for _, test := range []struct {
		name   string
		spec   rehearsal.SpecOptions
		needed int64 // bytes, at least; 0: it is about inodes
		want   string
	}{
		{"a bundle that does not fit", h.spec(big), 12_000_000, "cannot download s3://bundles/"},
		{"a zip that does not fit unpacked", h.specOfZip(shrinking), 5_999_000, "cannot unpack the bundle"},
		{"a tar that does not fit unpacked", h.spec(shrinking), 5_999_000, `entry "content/big"`},
		{"a zip with too many files", h.specOfZip(many), 0, "2011 files are to be made"},
		{"a tar with too many files", h.spec(many), 0, "entry \"content/"},
	} {
		before := len(h.service.Requests("GetObject"))
		r := h.command("DownloadBundle", test.spec)
		if r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, test.want) || !strings.Contains(r.Message, "max_revisions") {
			t.Errorf("%s: %+v, want Failed with code 5, saying %q and what to do", test.name, r, test.want)
		}
		if test.needed > 0 {
			m := spaceNumbers.FindStringSubmatch(r.Message)
			if m == nil {
				t.Errorf("%s: %s, want it to say what is needed and available", test.name, r.Message)
				continue
			}
			needed, _ := strconv.ParseInt(m[2], 10, 64)
			available, _ := strconv.ParseInt(m[3], 10, 64)
			if !strings.HasPrefix(m[1], h.path("root")) || needed < test.needed || needed > 14_000_000 || available > free || available < free-1_000_000 {
				t.Errorf("%s: %s, want at least %d needed and nearly %d available", test.name, m[0], test.needed, free)
			}
		} else if !strings.Contains(r.Message, "not enough inodes at "+h.path("root")) {
			t.Errorf("%s: %s, want it to be about inodes", test.name, r.Message)
		}
		if n := len(h.service.Requests("GetObject")) - before; n != 1 {
			t.Errorf("%s: %d requests were made, want one", test.name, n)
		}
		h.wantNothingOf(test.spec.DeploymentID)
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- one")
	if r := h.command("ApplicationStop", h.spec(h.revision("two", nil))); !r.Succeeded() || r.Noop {
		t.Errorf("ApplicationStop: %+v, want the scripts of the version that serves", r)
	}

	if err := os.Remove(h.path("root/filler")); err != nil {
		t.Fatal(err)
	}
	h.deploy(big, rehearsal.Succeeded)
	if got := h.read(h.dest + "/index.html"); got != "two\n" {
		t.Errorf("index.html is %q, want two", got)
	}
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- three")
}
