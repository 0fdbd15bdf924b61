// Package disk knows how much room a file system has left, and puts the errors of writing to it into words for the operator.
//
// Room is looked at, not reserved: others write to the same file system, quotas and some file systems tell less than the truth. So
// callers look before they begin (Need), now and then while they write (Gauge), and explain the error if it runs out all the same
// (Explain).
package disk

import (
	"fmt"
	"strings"
)

// Reserve is how many bytes are left to others on a file system: the agent's journal, the group's pointers and the logs of
// hooks have to find room as well.
const Reserve = 1 << 20

// NoLimit is the Files of a file system that makes inodes as they are needed: btrfs, some network ones, those of Windows. They
// report a total of 0.
const NoLimit = -1

// Room is what a file system has left for this process.
type Room struct {
	Bytes int64
	Files int64 // inodes; NoLimit: as many as fit
}

// Full says that a file system has too little room for what is to be written.
type Full struct {
	Dir               string // a directory of the file system
	Inodes            bool   // Needed and Available count inodes, not bytes
	Needed, Available int64  // a Needed of 0 is not known
	Kept              int64  // of Available, what is not for this
}

func (e *Full) Error() string {
	var b strings.Builder
	switch {
	case e.Inodes && e.Needed > 0:
		fmt.Fprintf(&b, "not enough inodes at %s: %d files are to be made, %d inodes are available", e.Dir, e.Needed, e.Available)
	case e.Inodes:
		fmt.Fprintf(&b, "not enough inodes at %s: %d are available", e.Dir, e.Available)
	case e.Needed > 0:
		fmt.Fprintf(&b, "not enough disk space at %s: %d bytes are needed, %d are available", e.Dir, e.Needed, e.Available)
		if e.Needed >= 1<<20 {
			fmt.Fprintf(&b, " (%s, %s)", Size(e.Needed), Size(e.Available))
		}
	default:
		fmt.Fprintf(&b, "not enough disk space at %s: %d bytes are available", e.Dir, e.Available)
	}
	if e.Kept > 0 && e.Needed <= e.Available {
		fmt.Fprintf(&b, ", of which %d are kept for the agent's own state and logs", e.Kept)
	}
	if e.Inodes {
		return b.String() + "; remove files there that are not needed, or keep fewer revisions (max_revisions)"
	}
	return b.String() + "; free some, or keep fewer revisions (max_revisions)"
}

// Need returns a *Full if the file system of dir has no room for so many bytes more, with Reserve, or for so many files more.
// Numbers of 0 or less need nothing. What a file system does not tell is taken for enough.
func Need(dir string, bytes, files int64) error {
	room, ok := Free(dir)
	if !ok {
		return nil
	}
	return room.need(dir, bytes, files)
}

func (r Room) need(dir string, bytes, files int64) error {
	switch {
	case bytes > 0 && bytes > r.Bytes-Reserve:
		return &Full{Dir: dir, Needed: bytes, Available: r.Bytes, Kept: Reserve}
	case files > 0 && r.Files != NoLimit && files > r.Files:
		return &Full{Dir: dir, Inodes: true, Needed: files, Available: r.Files}
	}
	return nil
}

// A Gauge watches the room of a file system while it is being written to. Its zero value with a Dir is ready; it is for one
// goroutine. It looks the more often the less room there is, so that what others write meanwhile is seen in time: after a quarter of
// the room is used up, and after every 32 MiB or 1,000 files.
type Gauge struct {
	Dir string

	bytes, files int64 // that may be written until the next look
	looked       bool
	free         func(dir string) (Room, bool) // nil: Free
}

const (
	mostBytes, leastBytes = 32 << 20, 64 << 10
	mostFiles             = 1000
)

// Wrote counts bytes that are being written. It returns a *Full when Reserve would not be left; missing is how many more are to
// come, for the error's numbers, or 0 if that is not known.
func (g *Gauge) Wrote(n, missing int64) error {
	if g.bytes -= n; g.bytes >= 0 && g.looked {
		return nil
	}
	room, ok := g.look()
	if ok && room.Bytes < Reserve {
		return &Full{Dir: g.Dir, Needed: missing, Available: room.Bytes, Kept: Reserve}
	}
	return nil
}

// Expect returns a *Full if n bytes more, with Reserve, would not fit. Unlike Need it looks only if they are more than may be
// written until the next look anyway.
func (g *Gauge) Expect(n int64) error {
	if g.looked && n <= g.bytes {
		return nil
	}
	room, ok := g.look()
	if !ok {
		return nil
	}
	return room.need(g.Dir, n, 0)
}

// Made counts a file, directory or link that is about to be made. It returns a *Full when there is no inode for it; missing is
// how many there are to come with this one, or 0 if that is not known.
func (g *Gauge) Made(missing int64) error {
	if g.files--; g.files >= 0 && g.looked {
		return nil
	}
	room, ok := g.look()
	if ok && room.Files == 0 {
		return &Full{Dir: g.Dir, Inodes: true, Needed: missing, Available: 0}
	}
	return nil
}

func (g *Gauge) look() (Room, bool) {
	free := g.free
	if free == nil {
		free = Free
	}
	g.looked, g.bytes, g.files = true, mostBytes, mostFiles
	room, ok := free(g.Dir)
	if ok {
		g.bytes = min(max((room.Bytes-Reserve)/4, leastBytes), mostBytes)
		if room.Files != NoLimit {
			g.files = min(room.Files/4, mostFiles)
		}
	}
	return room, ok
}

// Size prints a number of bytes for people, such as "4.8 MiB".
func Size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1024, 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[u])
}
