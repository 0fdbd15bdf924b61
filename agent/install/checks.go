package install

import (
	"os"
	"path/filepath"
	"slices"

	"codedeploy-agent/agent/disk"
)

// checkAccess checks that this process may change the directories that names are made in or removed from.
func (b *builder) checkAccess() {
	needed := map[string]string{} // directory to the path that needs it
	for _, s := range b.plan.steps {
		switch {
		case s.dir != nil && b.made[s.dir.dir] == nil && !s.dir.kept():
			needed[s.dir.dir] = s.dir.path
		case s.file != nil && b.made[s.file.dir] == nil && !s.file.unchanged:
			needed[s.file.dir] = s.file.path
		}
	}
	for _, r := range b.plan.view.remnants {
		if !r.reused && b.made[r.dir] == nil && b.plan.view.gone[r.dir] == nil {
			needed[r.dir] = r.path
		}
	}
	dirs := make([]string, 0, len(needed))
	for d := range needed {
		dirs = append(dirs, d)
	}
	slices.Sort(dirs)
	for _, d := range dirs {
		if err := disk.MayChange(d); err != nil {
			b.problem(0, needed[d], "", "cannot change %s: its directory %s: %v (the agent runs as the user with the id %d)",
				show(needed[d]), show(d), plainError(err), os.Geteuid())
		}
	}
}

// checkOwners checks what only the owner of something may do, and root, whom it does not concern: to change the mode or the lists of what stays,
// and to remove or replace something in a directory with the sticky bit.
func (b *builder) checkOwners() {
	me := os.Geteuid()
	if me <= 0 {
		return
	}
	differs := func(i info, a attributes) bool { return i.mode != a.mode || a.access != nil || a.inherited != nil }
	o := newOutcome(b.plan)
	for _, s := range b.plan.steps {
		switch {
		case s.dir != nil && s.dir.kept() && s.dir.was.info.uid != me:
			if want := o.granted(o.made(s.dir.dir), s.dir.grants); differs(s.dir.was.info, want) {
				b.problem(0, s.dir.path, "give it to the agent's user", "cannot set the mode %04o of the directory %s of the previous revision: it belongs to the user with the id %d and "+
					"the agent runs as the user with the id %d", want.mode, show(s.dir.path), s.dir.was.info.uid, me)
			}
		case s.file != nil && s.file.was.kind != absent && !s.file.unchanged && s.file.was.uid != me:
			if dir, _ := o.look(s.file.dir); dir.mode&0o1000 != 0 && dir.uid != me {
				b.problem(0, s.file.path, "remove it or give it to the agent's user", "cannot replace %s: in the directory %s with the sticky bit only its owner may do that, the user with "+
					"the id %d, and the agent runs as the user with the id %d", show(s.file.path), show(s.file.dir), s.file.was.uid, me)
			}
		}
	}
	for _, x := range b.plan.outside {
		if want := granted(x.info, x.grants); x.info.uid != me && differs(x.info, want) {
			place := filepath.Join(x.dir, x.name)
			b.problem(0, place, "leave the link out of the permissions", "cannot set the permissions of %s, which a link of the revision leads to: it belongs to the user with the id %d and "+
				"the agent runs as the user with the id %d", show(place), x.info.uid, me)
		}
	}
}

// Demand is what something takes of the file system that a directory is on. The directory need not exist: the nearest one above it that does
// counts.
type Demand struct {
	Dir          string
	Bytes, Files int64
}

// Space is what an Install needs of a file system and what is free there.
type Space struct {
	Dir    string `json:"path"` // a directory on it
	Needed int64  `json:"needed_bytes"`
	Free   int64  `json:"free_bytes"`
	// Files counts inodes: of FilesFree, -1 means as many as fit.
	Files     int64 `json:"needed_files"`
	FilesFree int64 `json:"free_files"`
}

// block is the usual size of a file system's blocks; a file takes whole ones.
const block = 4096

// checkSpace checks that the new files fit beside the old ones, which stay until everything has succeeded.
func (b *builder) checkSpace() {
	var demands []*Demand
	on := map[uint64]*Demand{}
	in := map[string]*Demand{} // nil: there is no such directory
	demandOf := func(dir string) *Demand {
		i, err := os.Lstat(dir)
		if err != nil {
			return nil // another check has told
		}
		device := infoOf(i).dev
		if device == 0 {
			device = volume(dir)
		}
		d := on[device]
		if d == nil {
			d = &Demand{Dir: dir}
			on[device] = d
			demands = append(demands, d)
		}
		return d
	}
	add := func(dir string, bytes int64, files int64) {
		d, looked := in[dir]
		if !looked {
			d = demandOf(dir)
			in[dir] = d
		}
		if d == nil {
			return
		}
		d.Bytes += bytes
		d.Files += files
	}
	for _, s := range b.plan.steps {
		dir, need := "", int64(block)
		switch {
		case s.dir != nil && !s.dir.kept():
			dir = s.dir.dir
		case s.file != nil && !s.file.unchanged:
			dir = s.file.dir
			if s.file.info.kind == regular {
				need = (s.file.info.size + block - 1) / block * block
			} else {
				need = 0
			}
		default:
			continue
		}
		for b.made[dir] != nil && !b.made[dir].kept() {
			dir = b.made[dir].dir
		}
		add(dir, need, 1)
	}
	for _, d := range b.plan.request.Beside {
		add(disk.Standing(d.Dir), d.Bytes, d.Files)
	}
	for _, d := range demands {
		room, ok := disk.Free(d.Dir)
		if !ok {
			continue
		}
		b.plan.space = append(b.plan.space, Space{Dir: d.Dir, Needed: d.Bytes, Free: room.Bytes, Files: d.Files, FilesFree: room.Files})
		if d.Bytes > room.Bytes {
			b.problem(0, d.Dir, "free some space or use a larger volume; old and new files are on the disk together until the install has succeeded",
				"the file system of %s has too little space: %s are needed and %s are free", show(d.Dir), disk.Size(d.Bytes), disk.Size(room.Bytes))
		}
		if room.Files != disk.NoLimit && d.Files > room.Files {
			b.problem(0, d.Dir, "remove files that are not needed", "the file system of %s has room for %d more files and %d are needed", show(d.Dir), room.Files, d.Files)
		}
	}
}

// volume tells file systems apart by their drive letter where devices have no numbers.
func volume(dir string) uint64 {
	n := uint64(0)
	for _, c := range filepath.VolumeName(dir) {
		n = n<<8 | uint64(c)&0xff
	}
	return n
}
