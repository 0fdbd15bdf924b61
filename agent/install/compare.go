package install

import (
	"os"
	"path/filepath"

	"codedeploy-agent/agent/crew"
)

// compare finds the files that stand at their destination exactly as they would be installed. They are left alone, which saves the
// disk a copy. Only a file with the source's time is read; builds that set new times cost nothing here.
func (b *builder) compare() error {
	var readers crew.Crew
	var batch []*fileStep
	read := func() {
		files := batch
		batch = nil
		readers.Do(func() error {
			c := comparer{of: b.plan.reader}
			defer c.close()
			for _, f := range files {
				if readers.Failed() {
					return nil
				}
				if err := b.ctx.Err(); err != nil {
					return err
				}
				f.unchanged = c.installed(f)
			}
			return nil
		})
	}
	for _, s := range b.plan.steps {
		if s.file == nil || s.file.was.kind != s.file.info.kind {
			continue
		}
		f := s.file
		if f.info.kind == link {
			text, err := os.Readlink(filepath.Join(f.dir, f.name()))
			f.unchanged = err == nil && text == f.text && sameOwner(*f.was, f.info.uid, f.info.gid)
			continue
		}
		if !f.settled() {
			continue
		}
		if batch = append(batch, f); len(batch) == batchFiles {
			read()
		}
	}
	read()
	return readers.Wait()
}

// comparer compares files of the revision with what stands at their places. It is not for several goroutines.
type comparer struct {
	of       reader
	from, to handles
}

func (c *comparer) close() {
	c.from.close()
	c.to.close()
}

// installed says whether a file stands at its place already, but for what settled looks at.
func (c *comparer) installed(f *fileStep) bool {
	if c.of != (unpacked{}) {
		place := placeOf(f.dir, f.path)
		return plain(place) && c.of.same(filepath.Join(f.origin.from, f.name()), place)
	}
	from, err := c.from.in(f.origin.from)
	if err != nil {
		return false
	}
	to, err := c.to.in(f.dir)
	return err == nil && to.installed(f.name(), from, f.name())
}

// settled says whether size, time, owner and mode are what the Install would give.
func (f *fileStep) settled() bool {
	if f.was.size != f.info.size || f.was.mtime != f.info.mtime || f.was.links != 1 {
		return false
	}
	a := f.attributes()
	return a.access == nil && a.inherited == nil && f.was.mode == a.mode && sameOwner(*f.was, a.uid, a.gid)
}

// owner is what a file's owner, group and mode are after the grant's change of owner. Linux takes the set-id bits away then, from the group's only
// if the group may execute.
func (g *grant) owner(uid, gid int, mode uint32) (int, int, uint32) {
	if g.uid == noID && g.gid == noID {
		return uid, gid, mode
	}
	if g.uid != noID {
		uid = g.uid
	}
	if g.gid != noID {
		gid = g.gid
	}
	mode &^= 0o4000
	if mode&0o010 != 0 {
		mode &^= 0o2000
	}
	return uid, gid, mode
}

func sameOwner(i info, uid, gid int) bool { return i.uid == uid && i.gid == gid }
