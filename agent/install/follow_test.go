//go:build linux

package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// foreign gives a file, directory or link to another user.
func (h *host) foreign(names ...string) {
	h.t.Helper()
	for _, n := range names {
		h.must(os.Lchown(h.path(n), hostileUser, hostileUser))
	}
}

func TestFollow(t *testing.T) {
	h := newHost(t)
	h.write(h.path(), "real/sub/file", "x")
	for name, target := range map[string]string{
		"l": "real", "chain": "l/sub", "up": "real/../real/./sub", "abs": h.path("real/sub"), "loop": "loop2", "loop2": "loop", "none": "nowhere", "through": "real/sub/file/x",
		"root": "/../..", "real/back": "../l",
	} {
		h.must(os.Symlink(target, h.path(name)))
	}
	for path, want := range map[string]string{
		"real": "real", "l": "real", "l/sub/file": "real/sub/file", "chain": "real/sub", "up": "real/sub", "abs/file": "real/sub/file", "l/back/back/sub": "real/sub", "l/../real": "real",
	} {
		end, is, err := follow(h.path()+"/"+path, false)
		fi, e := os.Lstat(h.path(want))
		if err != nil || e != nil || end != h.path(want) || !is.same(infoOf(fi)) {
			t.Errorf("%s ends at %s, %v; want %s", path, end, err, want)
		}
		if same, err := filepath.EvalSymlinks(h.path() + "/" + path); err != nil || same != end {
			t.Errorf("%s ends at %s, and for the library at %s, %v", path, end, same, err)
		}
	}
	if end, _, err := follow(h.path("root"), false); end != "/" || err != nil {
		t.Errorf("above the root: %s, %v", end, err)
	}
	for path, right := range map[string]func(error) bool{"loop": looping, "none": missing, "through": missing, "real/sub/file/x": missing, "nowhere/x": missing, strings.Repeat("x", 300): tooLong} {
		if _, _, err := follow(h.path(path), false); !right(err) {
			t.Errorf("%.20s: %v", path, err)
		}
	}
}

// Whoever may change a link decides where it may lead.
func TestFollowForeignLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give links to others")
	}
	h := newHost(t)
	for _, d := range []string{"root", "theirs/own", "theirs/roots", "open", "sticky"} {
		h.write(h.path(), d+"/", "")
	}
	for name, target := range map[string]string{
		"to-root": "root", "to-own": "theirs/own", "theirs/of-root": "../root", "open/l": "../root", "sticky/l": "../root", "sticky/mine": "../root", "via": "to-root", "on": "to-own/../roots", "plain": "root",
	} {
		h.must(os.Symlink(target, h.path(name)))
	}
	h.foreign("theirs", "theirs/own", "to-root", "to-own", "on", "sticky/l")
	h.must(errors.Join(os.Chmod(h.path("open"), 0o777), os.Chmod(h.path("sticky"), 0o777|os.ModeSticky)))
	for path, follows := range map[string]bool{
		"plain": true, "to-own": true, "sticky/mine": true, "theirs/roots": true, // no link on the way
		"to-root": false, "theirs/of-root": false, "open/l": false, "sticky/l": false, "via": false, "on": false,
	} {
		_, _, err := follow(h.path(path), false)
		var foreign *foreignLinkError
		if errors.As(err, &foreign) == follows || err != nil && foreign == nil {
			t.Errorf("%s: %v, want that it is followed: %v", path, err, follows)
		}
		if _, _, err := follow(h.path(path), true); err != nil {
			t.Errorf("%s, with the setting: %v", path, err)
		}
	}
}

// With the setting an Install goes where another user's link leads, as with the official agents, and so does its clean-up.
func TestFollowForeignLinksIsASetting(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give links to others")
	}
	h := newHost(t)
	h.write(h.path(), "elsewhere/", "")
	h.must(os.Symlink("../elsewhere", h.path("dest/app")))
	h.foreign("dest/app")
	if err := h.install(h.archive("a", "1"), whole); err == nil || !strings.Contains(err.Error(), "follow_links_of_other_users") {
		t.Fatalf("%v, want an error that names the setting", err)
	}
	h.harden.FollowForeignLinks = true
	h.must(h.install(h.archive("a", "1", "d/b", "1"), whole))
	if data, err := os.ReadFile(h.path("elsewhere/d/b")); err != nil || string(data) != "1" {
		t.Errorf("%q, %v", data, err)
	}
	// Without it again, what is there stays, and the reason is told once.
	h.harden.FollowForeignLinks = false
	p, err := h.plan(h.archive("x", "2"), "files:\n  - source: x\n    destination: DEST/new\n")
	h.must(err)
	if w := p.Warnings(); len(w) != 1 || !strings.Contains(w[0].Message, "is not removed") || !strings.Contains(w[0].Message, "may change the link") {
		t.Errorf("%+v", w)
	}
	h.harden.FollowForeignLinks = true
	h.must(h.install(h.archive(), "files:\n"))
	if _, err := os.Stat(h.path("elsewhere/d")); !os.IsNotExist(err) {
		t.Errorf("what was installed behind the link is left: %v", err)
	}
}
