//go:build linux

package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// swapEnv makes the test binary the hostile process: it holds the directories whose entries it exchanges, separated by colons.
const swapEnv = "INSTALL_TEST_SWAP"

// The entry that is exchanged, and the link that takes its place.
const (
	honestName = "app"
	evilName   = "evil"
)

// hostileUser is a user that no host has.
const hostileUser = 12345

func init() {
	if dirs := os.Getenv(swapEnv); dirs != "" {
		os.Exit(swapAsChild(dirs))
	}
}

// swapAsChild exchanges the directories with the links beside them, again and again, until its input ends; then it prints how often.
func swapAsChild(directories string) int {
	dirs := strings.Split(directories, ":")
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent has closed it or is gone
		close(ended)
	}()
	for n := 0; ; n++ {
		select {
		case <-ended:
			fmt.Println(n)
			return 0
		default:
		}
		for _, dir := range dirs {
			_ = exchange(dir) // the agent may have moved or removed one of the two
		}
		// At times as fast as can be, at times long enough for a whole install.
		time.Sleep(time.Duration(rand.IntN(4)*rand.IntN(800)) * time.Microsecond)
	}
}

func exchange(dir string) error {
	return unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, honestName), unix.AT_FDCWD, filepath.Join(dir, evilName), unix.RENAME_EXCHANGE)
}

// canary makes a tree that has everything which the revisions of these tests install, and returns a function that says what has changed in it.
func (h *host) canary(name string) (changed func() string) {
	h.t.Helper()
	for _, f := range []string{"x", "d/y", "d/e/z", "only", "data", "app/x", "app/d/y", "app/d/e/z"} {
		h.write(h.path(name), f, "do not touch")
		h.must(os.Chmod(h.path(name, f), 0o600))
	}
	describe := func() string {
		var b strings.Builder
		h.must(filepath.WalkDir(h.path(name), func(p string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := d.Info()
			if err != nil {
				return err
			}
			st := fi.Sys().(*syscall.Stat_t)
			fmt.Fprintf(&b, "%s %v %d:%d %d %d %v %v\n", p, fi.Mode(), st.Uid, st.Gid, st.Ino, st.Size, st.Mtim, st.Ctim)
			return nil
		}))
		return b.String()
	}
	before := describe()
	return func() string {
		if after := describe(); after != before {
			return "before\n" + before + "after\n" + after
		}
		return ""
	}
}

// hostileRevisions are installs, permissions, links and removals at a destination that somebody else owns.
func (h *host) hostileRevisions(dest string) (archives, texts []string) {
	spec := func(text string) string { return strings.ReplaceAll(text, "BASE", dest) }
	all := spec("file_exists_behavior: OVERWRITE\nfiles:\n  - source: /\n    destination: BASE/app\n")
	for _, label := range []string{"1", "2"} {
		archives = append(archives, h.archive("x", label, "d/y", label, "d/e/z", label))
		texts = append(texts, all+spec("permissions:\n  - object: BASE/app\n    mode: 666\n    owner: \"12345\"\n    type: [file]\n  - object: BASE/app\n    mode: 777\n    owner: \"12345\"\n    type: [directory]\n"))
	}
	archives = append(archives, h.archive("l", "-> app/data", "m", "-> app/d"), h.archive("only", "3"))
	texts = append(texts, spec("file_exists_behavior: OVERWRITE\nfiles:\n  - source: /\n    destination: BASE\npermissions:\n  - object: BASE/l\n    mode: 666\n    owner: \"12345\"\n  - object: BASE/m\n    mode: 777\n"), all)
	return archives, texts
}

// TestSwappedAtEveryStep exchanges a directory of the destination for a link to another tree at each step of an install, and back again at the
// next one. Whatever the install makes of it, the other tree is not touched.
func TestSwappedAtEveryStep(t *testing.T) {
	for revision := 1; revision < 4; revision++ {
		for _, back := range []bool{false, true} {
			for _, undo := range []bool{false, true} {
				steps := swapAt(t, revision, 0, false, false)
				if steps < 8 {
					t.Errorf("revision %d has only %d steps", revision, steps)
				}
				for at := 1; at <= steps; at++ {
					swapAt(t, revision, at, back, undo)
				}
			}
		}
	}
}

// swapAt installs a revision, exchanges at a step (0: never), and returns how many steps there were.
func swapAt(t *testing.T, revision, at int, back, undo bool) (steps int) {
	h := newHost(t)
	changed := h.canary("canary")
	base := h.path("dest")
	archives, texts := h.hostileRevisions(base)
	if os.Geteuid() != 0 {
		for i := range texts {
			texts[i] = strings.ReplaceAll(texts[i], "    owner: \"12345\"\n", "")
		}
	}
	h.must(h.install(archives[0], texts[0]))
	h.write(base, "app/data", "x")
	h.must(os.Symlink(h.path("canary"), filepath.Join(base, evilName)))
	h.options.fault = func(string, string) error {
		steps++
		if at > 0 && (steps == at || back && steps == at+1) {
			_ = exchange(base) // which the install may have made impossible
		}
		if undo && steps == at+2 {
			return errFault
		}
		return nil
	}
	err := h.install(archives[revision], texts[revision])
	if diff := changed(); diff != "" {
		t.Fatalf("revision %d, swapped at step %d (back %v, undo %v), %v: the other tree is changed\n%s", revision, at, back, undo, err, diff)
	}
	if at == 0 && err != nil {
		t.Fatalf("revision %d: %v", revision, err)
	}
	return steps
}

// TestSwap lets another user exchange a directory for a link to a tree of root's while root installs, changes permissions, cleans up and takes
// back, again and again: as long as SWAP_FOR says. It needs root.
func TestSwap(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be led by another user to what that user may not touch")
	}
	t.Parallel()
	long := 2500 * time.Millisecond
	if text := os.Getenv("SWAP_FOR"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	h := newHost(t)
	for dir := h.dir; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		h.must(os.Chmod(dir, 0o755))
	}
	h.must(os.Chmod(os.TempDir(), 0o755|os.ModeSticky))
	h.control(t)

	changed := h.canary("canary")
	base := h.path("dest/base")
	h.must(errors.Join(os.Mkdir(base, 0o755), os.Mkdir(filepath.Join(base, honestName), 0o755), os.Symlink(h.path("canary"), filepath.Join(base, evilName)),
		os.WriteFile(filepath.Join(base, honestName, "data"), []byte("theirs"), 0o644)))
	// A second place further down: the link that takes the place of d/app leads to the same tree.
	deep := filepath.Join(base, honestName, "d")
	h.must(errors.Join(os.Mkdir(deep, 0o755), os.Mkdir(filepath.Join(deep, honestName), 0o755), os.Symlink(h.path("canary"), filepath.Join(deep, evilName))))
	h.must(filepath.WalkDir(base, func(p string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, hostileUser, hostileUser))
	}))
	archives, texts := h.hostileRevisions(base)
	archives = append(archives, h.archive("x", "4", "d/y", "4", "d/e/z", "4"))
	texts = append(texts, "file_exists_behavior: OVERWRITE\nfiles:\n  - source: /\n    destination: "+deep+"/app\n")

	swaps := h.swap(base, deep)
	failed, done := map[string]int{}, 0
	for end := time.Now().Add(long); time.Now().Before(end); {
		if err := Recover(context.Background(), h.path("record", "g"), zap.NewNop()); err != nil {
			failed["not taken back yet: "+reason(err)]++
			continue
		}
		i := rand.IntN(len(archives))
		steps, at := 0, 0
		if rand.IntN(4) == 0 {
			at = 1 + rand.IntN(60) // takes back what it has done up to there
		}
		h.options.fault = func(string, string) error {
			if steps++; steps == at {
				return errFault
			}
			return nil
		}
		if err := h.install(archives[i], texts[i]); err != nil {
			failed[reason(err)]++
			continue
		}
		done++
	}
	n := swaps()
	t.Logf("%d swaps, %d installs succeeded, failed: %v", n, done, failed)
	if diff := changed(); diff != "" {
		t.Errorf("the other tree is changed\n%s", diff)
	}
	if n < 100 || done == 0 || len(failed) == 0 {
		t.Errorf("%d swaps, %d installs that succeeded and %d reasons to fail: nothing was tried", n, done, len(failed))
	}
}

// reason is what kind of failure an error is.
func reason(err error) string {
	var foreign *foreignLinkError
	text := err.Error()
	switch {
	case errors.Is(err, errFault):
		return "taken back"
	case errors.As(err, &foreign), strings.Contains(text, "may change the link"):
		return "another user's link"
	case errors.Is(err, errChanged), strings.Contains(text, errChanged.Error()):
		return "changed meanwhile"
	case errors.Is(err, syscall.ELOOP), strings.Contains(text, "too many levels of symbolic links"):
		return "a link where a directory was"
	case errors.Is(err, syscall.ENOENT), strings.Contains(text, "no such file"):
		return "gone meanwhile"
	}
	return "other"
}

// swap starts the hostile process in directories that it owns; the returned function ends it and says how often it has exchanged them.
func (h *host) swap(dirs ...string) (stop func() int) {
	h.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), swapEnv+"="+strings.Join(dirs, ":"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: hostileUser, Gid: hostileUser}}
	in, err := cmd.StdinPipe()
	h.must(err)
	out, err := cmd.StdoutPipe()
	h.must(err)
	cmd.Stderr = os.Stderr
	h.must(cmd.Start())
	ended := false
	stop = func() int {
		if ended {
			return 0
		}
		ended = true
		h.must(in.Close())
		text, err := bufio.NewReader(out).ReadString('\n')
		h.must(err)
		h.must(cmd.Wait())
		n, err := strconv.Atoi(strings.TrimSpace(text))
		h.must(err)
		return n
	}
	h.t.Cleanup(func() { stop() })
	return stop
}

// control shows that the hostile process is quick enough: somebody who writes by path is led to the other tree.
func (h *host) control(t *testing.T) {
	t.Helper()
	base := h.path("dest/control")
	h.must(errors.Join(os.MkdirAll(filepath.Join(base, honestName), 0o755), os.Mkdir(h.path("sacrifice"), 0o755), os.Symlink(h.path("sacrifice"), filepath.Join(base, evilName))))
	for _, p := range []string{base, filepath.Join(base, honestName), filepath.Join(base, evilName)} {
		h.must(os.Lchown(p, hostileUser, hostileUser))
	}
	stop := h.swap(base)
	defer stop()
	for end := time.Now().Add(20 * time.Second); ; {
		if fi, err := os.Lstat(filepath.Join(base, honestName)); err == nil && fi.IsDir() {
			_ = os.WriteFile(filepath.Join(base, honestName, "hit"), nil, 0o644)
		}
		if _, err := os.Stat(h.path("sacrifice/hit")); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a check of the path before each write was never passed by: the hostile process does nothing")
		}
	}
}
