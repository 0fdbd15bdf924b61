package install

import (
	"fmt"
	"path/filepath"

	"codedeploy-agent/agent/crew"
)

// What one maker makes before it looks for more: enough files that handing them over costs nothing, and few enough that all makers have some.
const (
	batchFiles = 64
	batchBytes = 1 << 20
)

// stage makes all new directories and files. Nothing that anybody uses is changed. Directories are made in the order of the steps; the files, each
// of which is in a directory that is there by then and has a name of its own, are made by as many goroutines as there are processors.
func (a *application) stage() error {
	files := newMaking(a)
	err := a.stageSteps(files)
	if e := files.wait(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	// Modes of directories come last and inside first: one may forbid to write into it.
	for i := len(a.plan.steps) - 1; i >= 0; i-- {
		d := a.plan.steps[i].dir
		if d == nil || d.kept() || len(d.grants) == 0 {
			continue
		}
		place, _ := a.stagedDir(filepath.Join(d.dir, d.name))
		if err := a.step("set the permissions of", d.path); err != nil {
			return err
		}
		if err := a.change(filepath.Dir(place), filepath.Base(place), d.new, d.grants); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) stageSteps(files *making) error {
	next := 0 // moves are in the order of the steps
	for _, s := range a.plan.steps {
		dir, name := "", ""
		switch {
		case s.dir != nil && !s.dir.kept():
			dir, name = s.dir.dir, s.dir.name
		case s.file != nil && !s.file.unchanged:
			dir, name = s.file.dir, s.file.name()
		default:
			continue
		}
		if real, inside := a.stagedDir(dir); inside {
			dir = real
		} else {
			name = a.moves[next].temp
			next++
		}
		if s.dir != nil {
			if err := a.makeDirectory(s.dir, dir, name); err != nil {
				return err
			}
			continue
		}
		f := stagedFile{file: s.file, dir: dir, name: name}
		if s.file.info.kind == regular && a.reused(dir) {
			f.bare = a.outcome.made(dir).inherited == nil
		}
		if err := files.add(f); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) makeDirectory(d *dirStep, dir, name string) error {
	if err := a.step("make the directory", d.path); err != nil {
		return err
	}
	to, err := a.to.in(dir)
	if err != nil {
		return err
	}
	if err := to.mkdir(name); err != nil || len(d.grants) == 0 && !a.reused(dir) {
		return err
	}
	if d.new, err = to.made(name); err != nil || !a.reused(dir) {
		return err
	}
	return a.likeNew(to, name, d)
}

// stagedFile is a file or link and where it is made.
type stagedFile struct {
	file      *fileStep
	dir, name string
	// bare takes away the list that the file gets from its directory, which a new directory would not have.
	bare bool
}

// making is the making of files by several goroutines.
type making struct {
	of     *application
	makers crew.Crew
	free   chan *maker
	batch  []stagedFile
	bytes  int64
}

// maker is what one goroutine at a time makes files with.
type maker struct {
	of       *application
	from, to handles
	copier   copier
}

func newMaking(a *application) *making {
	m := &making{of: a, free: make(chan *maker, crew.Size())}
	for range cap(m.free) {
		m.free <- &maker{of: a}
	}
	return m
}

// add hands a file over. An error is that of any file.
func (m *making) add(f stagedFile) error {
	if m.makers.Failed() {
		return m.wait()
	}
	m.batch = append(m.batch, f)
	if m.bytes += f.file.info.size; len(m.batch) >= batchFiles || m.bytes >= batchBytes {
		m.hand()
	}
	return nil
}

func (m *making) hand() {
	batch := m.batch
	m.batch, m.bytes = make([]stagedFile, 0, batchFiles), 0
	m.makers.Do(func() error {
		with := <-m.free
		defer func() { m.free <- with }()
		for i := range batch {
			if m.makers.Failed() {
				return nil
			}
			if err := with.make(&batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// wait returns when all files are made. Nothing can be added any more.
func (m *making) wait() error {
	if len(m.batch) > 0 {
		m.hand()
	}
	defer func() {
		for range len(m.free) {
			(<-m.free).close()
		}
	}()
	return m.makers.Wait()
}

func (w *maker) close() {
	w.from.close()
	w.to.close()
}

// make makes one file or link.
func (w *maker) make(s *stagedFile) error {
	f := s.file
	if err := w.of.step("write", f.path); err != nil {
		return err
	}
	to, err := w.to.in(s.dir)
	if err != nil {
		return err
	}
	if f.info.kind == link {
		if err := to.symlink(f.text, s.name); err != nil {
			return err
		}
		to.dress(s.name, f.attributes(), f.info)
	} else {
		from, err := w.from.in(f.origin.from)
		if err != nil {
			return err
		}
		attributes := f.attributes()
		attributes.bare = attributes.access == nil && s.bare
		if err := w.copier.copy(from, f.name(), f.info, to, s.name, attributes, w.of.work); err != nil {
			return fmt.Errorf("cannot install %s: %w", show(f.path), err)
		}
	}
	w.of.work.Did(1, 0)
	return nil
}
