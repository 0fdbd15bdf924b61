package doctor

import (
	"errors"
	"os"

	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/disk"
)

// Below these a deployment of an ordinary size fails.
const (
	leastRoom  = 1 << 30
	leastFiles = 10_000
)

// directories looks at the agent's own directories: whether they can be used, what is left on their file systems, and who may write there.
func (d *doctor) directories() {
	c := d.Config
	var seen []string
	for _, dir := range []struct {
		name, path string
		runs       bool // scripts are run from it
		private    bool // what stands there is relied on
	}{
		{"root_dir", c.RootDir, true, true}, {"state_dir", c.StateDir, false, true}, {"log_dir", c.LogDir, false, false}, {"pid_dir", c.PidDir, false, false},
	} {
		at := disk.Standing(dir.path)
		info, err := os.Stat(at)
		switch {
		case err != nil:
			d.add("directories", Error, "make it a directory that the agent can use", "cannot look at %s: %v", dir.name, err)
			continue
		case !info.IsDir():
			d.add("directories", Error, "remove it, or set "+dir.name+" to another path", "%s is %s, and %s is no directory", dir.name, dir.path, at)
			continue
		}
		if err := disk.MayChange(at); err != nil {
			d.add("directories", Error, "run this as the agent's user, which is root as a rule; if you do, look at its owner, mode and mount", "cannot write to %s (%s): %v", at, dir.name, err)
			continue
		}
		if dir.runs && noexec(at) {
			d.add("directories", Error, "mount it with exec, or set root_dir to a directory on another file system",
				"%s is on a file system that runs no programs (noexec): every hook would fail", dir.path)
		}
		var exposed *custody.Error
		if dir.private && at == dir.path && errors.As(custody.CheckInPlace(at), &exposed) {
			d.add("directories", Warning, "docs/security.md says what others could do with it", "%v", exposed)
		}
		d.room(dir.name, at, &seen)
	}
	if len(seen) > 0 {
		d.add("disk", OK, "", "%s", list(seen))
	}
}

// room tells of file systems that are nearly full.
func (d *doctor) room(name, at string, seen *[]string) {
	room, ok := disk.Free(at)
	if !ok {
		return
	}
	const hint = "a deployment needs its bundle, its unpacked revision and the installed files; max_revisions says how many revisions are kept"
	switch {
	case room.Bytes < leastRoom:
		d.add("disk", Warning, hint, "%s (%s) has %s left", name, at, disk.Size(room.Bytes))
	case room.Files != disk.NoLimit && room.Files < leastFiles:
		d.add("disk", Warning, hint, "%s (%s) has room for %d more files", name, at, room.Files)
	default:
		*seen = append(*seen, name+" has "+disk.Size(room.Bytes)+" left")
	}
}
