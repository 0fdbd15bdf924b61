//go:build unix

package custody

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// place is a directory that nobody else may write, with a file in it.
func place(t *testing.T) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "conf")
	file = filepath.Join(dir, "agent.yml")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(file); err != nil {
		t.Skipf("the directory for temporary files is not in safe hands here: %v", err)
	}
	return dir, file
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// want checks that the file is refused with all these words, or not refused without any.
func want(t *testing.T, what, path string, words ...string) {
	t.Helper()
	err := Check(path)
	if len(words) == 0 {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var wrong *Error
	if !errors.As(err, &wrong) {
		t.Errorf("%s: %v, want it refused", what, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q does not say %q", what, err, w)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	dir, file := place(t)
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o400, 0o755} {
		chmod(t, file, mode)
		want(t, fmt.Sprintf("%04o", mode), file)
	}
	for _, mode := range []fs.FileMode{0o666, 0o602, 0o777} {
		chmod(t, file, mode)
		want(t, fmt.Sprintf("%04o", mode), file, "cannot trust "+file, "everybody", fmt.Sprintf("mode %04o", mode), "chmod go-w "+file)
	}
	chmod(t, file, 0o644)
	chmod(t, dir, 0o777)
	want(t, "a directory that everybody may write", file, "its directory "+dir, "mode 0777", "chmod go-w "+dir)
	chmod(t, dir, 0o777|fs.ModeSticky)
	want(t, "a directory like /tmp", file)
	chmod(t, dir, 0o755)
	above := filepath.Dir(dir)
	chmod(t, above, 0o777)
	want(t, "a directory further up", file, "its directory "+above)
	if err := CheckInPlace(file); err != nil {
		t.Errorf("CheckInPlace() = %v, want it to look at the file's directory only", err)
	}
	chmod(t, above, 0o755)
	chmod(t, dir, 0o777)
	if err := CheckInPlace(file); err == nil {
		t.Error("CheckInPlace() does not look at the file's directory")
	}
	if err := CheckInPlace(dir); err == nil {
		t.Error("CheckInPlace() does not look at a directory")
	}
	chmod(t, file, 0o666)
	want(t, "file and directory", file, "go-w "+file, "go-w "+dir)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	dir, file := place(t)
	other := t.TempDir()
	link := filepath.Join(other, "link.yml")
	for _, target := range []string{file, "../" + filepath.Join("..", filepath.Base(filepath.Dir(filepath.Dir(dir))), filepath.Base(filepath.Dir(dir)), "conf/agent.yml")} {
		_ = os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(link); err != nil {
			t.Fatal(err)
		}
		want(t, "a link", link)
		chmod(t, file, 0o666)
		want(t, "a link to a file that everybody may write", link, "cannot trust "+link, file+" may be written by everybody")
		chmod(t, file, 0o644)
		chmod(t, dir, 0o777)
		want(t, "a link into a directory that everybody may write", link, "its directory "+dir)
		chmod(t, dir, 0o755)
		chmod(t, other, 0o777)
		want(t, "a link that everybody may replace", link, "its directory "+other)
		chmod(t, other, 0o755)
	}
	directory := filepath.Join(other, "conf")
	if err := os.Symlink(dir, directory); err != nil {
		t.Fatal(err)
	}
	want(t, "a link to the directory", filepath.Join(directory, "agent.yml"))
	chmod(t, dir, 0o777)
	want(t, "a link to a directory that everybody may write", filepath.Join(directory, "agent.yml"), dir)
	loop := filepath.Join(other, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{loop, filepath.Join(other, "missing"), filepath.Join(file, "below")} {
		var wrong *Error
		if err := Check(path); err == nil || errors.As(err, &wrong) {
			t.Errorf("Check(%s) = %v, want an error about the file", path, err)
		}
	}
	if err := Check("/dev/null"); err != nil {
		t.Errorf("a device: %v", err)
	}
}

func TestOwnersAndGroups(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody to give files to")
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	dir, file := place(t)
	give := func(path string, uid, gid int, mode fs.FileMode) {
		t.Helper()
		if err := os.Lchown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		if mode != 0 {
			chmod(t, path, mode)
		}
	}
	give(file, uid, 0, 0o600)
	want(t, "somebody else's file", file, "belongs to the user nobody", "mode 0600", "chown root "+file)
	give(file, 0, gid, 0o664)
	want(t, "a group's file", file, "may be written by the group", "mode 0664", "chmod g-w "+file)
	give(file, 0, gid, 0o644)
	want(t, "a file that a group may read", file)
	give(file, 0, 0, 0o664)
	want(t, "root's group", file)
	if empty := emptyGroup(t); empty >= 0 {
		give(file, 0, empty, 0o664)
		want(t, "a group in which nobody is", file)
	}
	give(file, 0, 54321, 0o664)
	want(t, "a group that is not known", file, "the group 54321")
	give(file, 0, 0, 0o644)
	give(dir, uid, gid, 0o755)
	want(t, "somebody else's directory", file, "its directory "+dir+" belongs to the user nobody", "chown root "+dir)
	// In a directory like /tmp anybody can make a link.
	give(dir, 0, 0, 0o777|fs.ModeSticky)
	link := filepath.Join(dir, "link.yml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	want(t, "one's own link", link)
	give(link, uid, gid, 0)
	want(t, "somebody else's link", link, link+" belongs to the user nobody")
	give(dir, 0, 0, 0o755)
	want(t, "a link that nobody else can replace", link)

	if _, err := exec.LookPath("setfacl"); err != nil {
		t.Log("without setfacl access control lists are not tested")
		return
	}
	if out, err := exec.Command("setfacl", "-m", "u:nobody:rw", file).CombinedOutput(); err != nil {
		t.Logf("access control lists are not tested: %v: %s", err, out)
		return
	}
	want(t, "an access control list", file, "may be written by the user nobody (access control list)", "setfacl -b "+file)
	if out, err := exec.Command("setfacl", "-m", "u:nobody:r", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want(t, "an access control list for reading", file)
}

// emptyGroup is a group of this host that no user is in, -1 if there is none.
func emptyGroup(t *testing.T) int {
	groups, err := records("/etc/group")
	if err != nil {
		t.Log(err)
		return -1
	}
	users, err := records("/etc/passwd")
	if err != nil {
		t.Log(err)
		return -1
	}
next:
	for _, g := range groups {
		if len(g) < 4 || g[3] != "" || g[2] == "0" {
			continue
		}
		for _, u := range users {
			if len(u) > 3 && u[3] == g[2] {
				continue next
			}
		}
		gid, _ := strconv.Atoi(g[2])
		return gid
	}
	return -1
}

func TestPrivateGroupOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root's group is always trusted")
	}
	_, file := place(t)
	chmod(t, file, 0o664)
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	if g, err := user.LookupGroupId(me.Gid); err != nil || g.Name != me.Username {
		t.Skip("this user has no group of its own")
	}
	want(t, "the user's own group", file)
}

func TestGuard(t *testing.T) {
	t.Parallel()
	_, file := place(t)
	core, seen := observer.New(zap.WarnLevel)
	strict, tolerant := NewGuard(true, zap.New(core)), NewGuard(false, zap.New(core))
	for range 2 { // a warning is logged once
		if err := tolerant.CheckSecret(file); err != nil {
			t.Error(err)
		}
	}
	if all := seen.TakeAll(); len(all) != 1 || !strings.Contains(all[0].Message, "chmod 600 "+file) {
		t.Errorf("a file with secrets that everybody may read: %v, want a warning with the chmod", all)
	}
	chmod(t, file, 0o600)
	if err := strict.CheckSecret(file); err != nil || seen.Len() > 0 {
		t.Errorf("a protected file: %v, %v", err, seen.All())
	}
	chmod(t, file, 0o602)
	if err := tolerant.Check(file); err != nil {
		t.Error(err)
	}
	if all := seen.TakeAll(); len(all) != 1 || !strings.Contains(all[0].Message, "everybody") {
		t.Errorf("with require_protected_files: false: %v, want a warning", all)
	}
	for _, g := range []*Guard{strict, nil} {
		if err := g.Check(file); err == nil || !strings.Contains(err.Error(), "require_protected_files") {
			t.Errorf("Check() = %v, want a refusal that names the setting", err)
		}
		if err := g.Check(file + ".missing"); err != nil {
			t.Errorf("a missing file: %v, want nothing", err)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"/etc/a-b_c.yml": "/etc/a-b_c.yml", "/a b": "'/a b'", "/it's;rm": `'/it'\''s;rm'`} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
