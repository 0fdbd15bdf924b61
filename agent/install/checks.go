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
		if err := mayChange(d); err != nil {
			b.problem(0, needed[d], "", "cannot change %s: its directory %s: %v (the agent runs as the user with the id %d)",
				show(needed[d]), show(d), plainError(err), os.Geteuid())
		}
	}
}

// demand is what an Install needs of one file system.
type demand struct {
	dir          string // a directory on it
	bytes, files int64
}

// block is the usual size of a file system's blocks; a file takes whole ones.
const block = 4096

// checkSpace checks that the new files fit beside the old ones, which stay until everything has succeeded.
func (b *builder) checkSpace() {
	demands := map[uint64]*demand{}
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
		i, err := os.Lstat(dir)
		if err != nil {
			continue // another check has told
		}
		device := infoOf(i).dev
		if device == 0 {
			device = volume(dir)
		}
		d := demands[device]
		if d == nil {
			d = &demand{dir: dir}
			demands[device] = d
		}
		d.bytes += need
		d.files++
	}
	for _, d := range demands {
		room, ok := disk.Free(d.dir)
		if !ok {
			continue
		}
		if d.bytes > room.Bytes {
			b.problem(0, d.dir, "free some space or use a larger volume; old and new files are on the disk together until the install has succeeded",
				"the file system of %s has too little space: %s are needed and %s are free", show(d.dir), disk.Size(d.bytes), disk.Size(room.Bytes))
		}
		if room.Files != disk.NoLimit && d.files > room.Files {
			b.problem(0, d.dir, "remove files that are not needed", "the file system of %s has room for %d more files and %d are needed", show(d.dir), room.Files, d.files)
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
