//go:build unix

package disk

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFreshMode(t *testing.T) {
	t.Parallel()
	const me, mine, noGroup = 1000, 100, -1
	for _, tt := range []struct {
		gid         int
		mode        uint32
		user, group int
		want        uint32
	}{
		{mine, 0o644, me, mine, 0o644},
		{mine, 0o640, me, mine, 0o640},
		{mine, 0o600, me, mine, 0o600},
		{mine, 0o777, me, mine, 0o777},
		{mine, 0o4755, me, mine, guarded}, // giving it away would take the bit
		{mine, 0o444, me, mine, guarded},  // it is still to be written
		{mine, 0o644, 33, 33, 0o644},
		{mine, 0o640, 33, 33, guarded}, // our group may not read it
		{mine, 0o662, me, 33, guarded},
		{mine, 0o640, me, 33, guarded},
		{0, 0o640, 33, 33, 0o640},
		{noGroup, 0o640, me, mine, guarded},
		{noGroup, 0o644, me, mine, 0o644},
	} {
		f := Fresh{uid: me, gid: tt.gid}
		if got := f.Mode(tt.mode, tt.user, tt.group); got != tt.want {
			t.Errorf("in a directory of group %d, %o of %d:%d: %o, want %o", tt.gid, tt.mode, tt.user, tt.group, got, tt.want)
		}
	}
}

func TestFreshKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var f Fresh
	f.In(int(d.Fd()))
	if user, _ := f.Owner(); user != os.Geteuid() {
		t.Errorf("a new file is of user %d", user)
	}
	file, err := os.Create(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd := int(file.Fd())
	for _, tt := range []struct {
		has, made uint32
		want      bool
	}{
		{0o644, 0o664, false}, // a umask of 022
		{0o644, 0o644, true},
		{0o000, 0o640, true}, // what is seen once is known
		{0o000, 0o660, false},
		{0o755, 0o755, true},
		{0o000, 0o644, true},
	} {
		if err := unix.Fchmod(fd, tt.has); err != nil {
			t.Fatal(err)
		}
		if got := f.Kept(fd, tt.made); got != tt.want {
			t.Errorf("made with %o, has %o: %t", tt.made, tt.has, got)
		}
	}
	at := time.Unix(1e9, 123456000)
	if err := SetTimes(fd, at.UnixNano(), at.Add(time.Hour).UnixNano()); err != nil {
		t.Fatal(err)
	}
	if is, err := file.Stat(); err != nil || !is.ModTime().Equal(at.Add(time.Hour)) {
		t.Errorf("%v, %v", is.ModTime(), err)
	}
	if err := SetTimes(-1, 0, 0); err != unix.EBADF {
		t.Errorf("no file: %v", err)
	}
}
