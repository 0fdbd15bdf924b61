package revision

import (
	"hash/maphash"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"

	"codedeploy-agent/agent/crew"
	"codedeploy-agent/hooks/faultpoint"
)

const (
	smallFile = 64 << 10 // files up to this size are collected
	batchSize = 256 << 10
	mostFiles = 64      // of a batch
	mostNames = 1 << 14 // that have been collected since the last time when all were made
)

// smallFiles makes a tree's small files: whoever reads the bundle collects them, with what is in them, in batches of one directory, and goroutines
// make them. Making a file costs more than to read it, and there is more than one processor.
//
// What is made in a tree must look as if its entries had been made one after another. So before anything is made at a name that is still
// collected, everything collected is made.
type smallFiles struct {
	makers crew.Crew
	batch  *batch              // being collected; nil: none
	names  map[uint64]struct{} // digests of what may not have been made yet; two names that share one cost a pause
	seed   maphash.Seed
	// fetch reads a file of another directory, see fetched. It is called by several goroutines.
	fetch func(from *handle, base string, with *fetching) ([]byte, attributes, error)
}

// batch is some files of one directory.
type batch struct {
	up      *handle
	files   []collected
	content []byte // of the files, one after another
}

// collected is one file of a batch. Its content is the next so many bytes of the batch's, or is still to be fetched.
type collected struct {
	name string
	a    attributes
	size int
	from *handle // nil: the content is here
	base string
}

var batches = sync.Pool{New: func() any {
	return &batch{files: make([]collected, 0, mostFiles), content: make([]byte, 0, batchSize+smallFile)}
}}

func (s *smallFiles) init() {
	s.names, s.seed = map[uint64]struct{}{}, maphash.MakeSeed()
}

// digest is of a name. Names that differ in case only are one name on some file systems.
func (s *smallFiles) digest(name string) uint64 { return maphash.String(s.seed, strings.ToLower(name)) }

// await is called before something is made that is called name.
func (t *tree) await(name string) error {
	s := &t.small
	if _, collected := s.names[s.digest(name)]; collected || s.makers.Failed() || len(s.names) >= mostNames {
		return t.settle()
	}
	return nil
}

// settle returns when everything that was collected has been made.
func (t *tree) settle() error {
	t.dispatch()
	err := t.small.makers.Wait()
	clear(t.small.names)
	return err
}

// dispatch lets what was collected be made.
func (t *tree) dispatch() {
	s, b := &t.small, t.small.batch
	if s.batch = nil; b == nil {
		return
	}
	s.makers.Do(func() error {
		defer b.discard()
		content := b.content
		for i := range b.files {
			f := &b.files[i]
			if s.makers.Failed() {
				return nil
			}
			if err := s.make(b.up, f, content[:f.size]); err != nil {
				return ofEntry(f.name, err)
			}
			content = content[f.size:]
		}
		return nil
	})
}

// discard gives back what a batch holds.
func (b *batch) discard() {
	for _, f := range b.files {
		if f.from != nil {
			f.from.release()
		}
	}
	b.up.release()
	clear(b.files)
	b.up, b.files, b.content = nil, b.files[:0], b.content[:0]
	if cap(b.content) == batchSize+smallFile {
		batches.Put(b)
	}
}

func (s *smallFiles) make(up *handle, f *collected, content []byte) error {
	a := f.a
	if f.from != nil {
		var err error
		with := fetchings.Get().(*fetching)
		defer fetchings.Put(with)
		if content, a, err = s.fetch(f.from, f.base, with); err != nil {
			return err
		}
	}
	return up.replacing(path.Base(f.name), func(base string) error { return up.create(base, a, content) })
}

// fetching is what a file is fetched with.
type fetching struct {
	buffer []byte
	is     statInfo
}

var fetchings = sync.Pool{New: func() any { return &fetching{buffer: make([]byte, smallFile+1)} }}

// collecting returns the batch for a file of the directory.
func (t *tree) collecting(up *handle) *batch {
	s := &t.small
	if b := s.batch; b != nil && (b.up != up || len(b.files) == mostFiles || len(b.content) >= batchSize) {
		t.dispatch()
	}
	if s.batch == nil {
		s.batch = batches.Get().(*batch)
		up.retain()
		s.batch.up = up
	}
	return s.batch
}

// file makes a regular file. What write writes, and nothing else, is the content. A small file is not made yet when file returns, see settle.
func (t *tree) file(name string, a attributes, size int64, write func(io.Writer) error) error {
	up, err := t.starting(name)
	if err != nil {
		return err
	}
	b := t.collecting(up)
	c := &content{tree: t, up: up, name: name, batch: b, begin: len(b.content)}
	if size > smallFile {
		err = c.spill()
	}
	if err == nil {
		err = write(c)
	}
	if err == nil && c.file == nil {
		t.add(b, collected{name: name, a: a, size: len(b.content) - c.begin})
		return nil
	}
	b.content = b.content[:c.begin]
	if c.file == nil {
		return err
	}
	if err == nil {
		err = faultpoint.At("unpack written")
	}
	if err == nil {
		err = dress(c.file, a)
	}
	if e := c.file.Close(); err == nil {
		err = e
	}
	if err == nil && !a.mtime.IsZero() {
		err = up.Chtimes(path.Base(name), a.mtime, a.mtime)
	}
	return err
}

// fetched makes a small regular file with the content and attributes that smallFiles.fetch returns for the file base of from. It is not made yet when
// fetched returns.
func (t *tree) fetched(name string, from *handle, base string) error {
	up, err := t.starting(name)
	if err != nil {
		return err
	}
	b := t.collecting(up)
	from.retain()
	t.add(b, collected{name: name, from: from, base: base})
	return nil
}

func (t *tree) add(b *batch, f collected) {
	b.files = append(b.files, f)
	t.small.names[t.small.digest(f.name)] = struct{}{}
}

// starting is called before a file is made and returns its directory.
func (t *tree) starting(name string) (*handle, error) {
	if err := t.await(name); err != nil {
		return nil, err
	}
	up, err := t.open(path.Dir(name))
	if err != nil {
		return nil, err
	}
	return up, t.about("create", name, false)
}

// content is what is written to a file: it is collected, and goes into the file at once if it gets too much.
type content struct {
	tree  *tree
	up    *handle
	name  string
	batch *batch
	begin int // where it begins in the batch's content
	file  *os.File
}

func (c *content) Write(p []byte) (int, error) {
	if err := c.tree.fail("write", c.name); err != nil {
		return 0, err
	}
	if c.file == nil && len(c.batch.content)-c.begin+len(p) > smallFile {
		if err := c.spill(); err != nil {
			return 0, err
		}
	}
	if c.file != nil {
		return c.file.Write(p)
	}
	c.batch.content = append(c.batch.content, p...)
	return len(p), nil
}

// ReadFrom lets the system copy from one file to another.
func (c *content) ReadFrom(r io.Reader) (int64, error) {
	if c.file != nil {
		return c.file.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

// spill makes the file with what was collected of it.
func (c *content) spill() error {
	err := c.up.replacing(path.Base(c.name), func(base string) (err error) {
		c.file, err = c.up.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err == nil && len(c.batch.content) > c.begin {
		_, err = c.file.Write(c.batch.content[c.begin:])
		c.batch.content = c.batch.content[:c.begin]
	}
	return err
}

// dress gives a file its owner and mode.
func dress(f *os.File, a attributes) error {
	if a.uid >= 0 {
		if err := f.Chown(a.uid, a.gid); err != nil { // before the mode: it clears set-id
			return err
		}
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	return f.Chmod(a.fileMode())
}
