//go:build linux

package packaging

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a Debian. Its root is an overlay over the common one, so that what a test has changed can be told.
type machine struct {
	t      *testing.T
	name   string
	root   string // where its root is mounted
	upper  string // what differs from the common root
	nspawn *exec.Cmd
	ended  chan error
	leader int // its first process, as seen from here
	boot   *bytes.Buffer
	// hierarchy says whether the machine has control groups of version 2 only ("1", also when empty) or of version 1 ("0").
	hierarchy string
}

// newMachine makes a machine that is not booted.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if whyNot != "" {
		t.Skip(whyNot)
	}
	return machineOver(t, t.TempDir())
}

// machineOver makes a machine that differs from the common root by what is in dir/upper.
func machineOver(t *testing.T, dir string) *machine {
	t.Helper()
	m := &machine{t: t, name: fmt.Sprintf("cda-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6), root: filepath.Join(dir, "root"), upper: filepath.Join(dir, "upper")}
	for _, d := range []string{m.root, m.upper, filepath.Join(dir, "work")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", base, m.upper, filepath.Join(dir, "work"))
	if err := syscall.Mount("overlay", m.root, "overlay", 0, options); err != nil {
		t.Skipf("cannot mount an overlay: %v", err)
	}
	t.Cleanup(func() {
		m.shutdown()
		if err := syscall.Unmount(m.root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return m
}

// start boots the machine and waits until it can be talked to. It may still be booting then.
func (m *machine) start() {
	m.t.Helper()
	m.boot = new(bytes.Buffer)
	m.nspawn = exec.Command("systemd-nspawn", "--register=no", "--keep-unit", "--machine="+m.name, "--directory="+m.root, "--boot")
	// The machine has the network of the tests, in which there is nothing else.
	m.nspawn.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="+cmp.Or(m.hierarchy, "1"))
	m.nspawn.Stdout, m.nspawn.Stderr = m.boot, m.boot
	if group := m.controlGroup(); group != nil {
		defer group.Close()
		m.nspawn.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	}
	if err := m.nspawn.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.ended = make(chan error, 1)
	go func(c *exec.Cmd, ended chan error) { ended <- c.Wait() }(m.nspawn, m.ended)
	m.eventually(time.Minute, "the machine boots", func() bool {
		select {
		case err := <-m.ended:
			m.t.Skipf("systemd-nspawn cannot boot a container here: %v\n%s", err, m.boot)
		default:
		}
		m.leader = m.firstProcess()
		if m.leader == 0 {
			return false
		}
		_, err := m.try("systemctl", "list-jobs")
		return err == nil
	})
}

// controlGroup makes a control group for the machine, below which nspawn makes its own; it is removed after the test. nil where that cannot be.
func (m *machine) controlGroup() *os.File {
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		dir := filepath.Join(root, m.name)
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			continue
		}
		m.t.Cleanup(func() {
			m.shutdown()
			removeGroups(dir)
			removeGroups(filepath.Join("/sys/fs/cgroup/systemd", m.name)) // nspawn makes the same there where there is version 1, too
		})
		if f, err := os.Open(dir); err == nil {
			return f
		}
	}
	return nil
}

// removeGroups removes a control group and those below it, but for those that have processes.
func removeGroups(dir string) {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for _, d := range slices.Backward(dirs) {
		_ = os.Remove(d)
	}
}

// firstProcess is the child of nspawn that is the machine's first process, 0 if there is none yet.
func (m *machine) firstProcess() int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", m.nspawn.Process.Pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(text)) {
			comm, _ := os.ReadFile("/proc/" + field + "/comm")
			if strings.TrimSpace(string(comm)) == "systemd" {
				pid, _ := strconv.Atoi(field)
				return pid
			}
		}
	}
	return 0
}

// shutdown powers the machine off and waits for its end.
func (m *machine) shutdown() {
	if m.nspawn == nil {
		return
	}
	_ = syscall.Kill(m.leader, syscall.Signal(34+4)) // SIGRTMIN+4: power off
	select {
	case <-m.ended:
	case <-time.After(30 * time.Second):
		m.nspawn.Process.Kill()
		<-m.ended
	}
	m.nspawn = nil
}

// try runs a command in the booted machine, or in its root where it is not booted.
func (m *machine) try(args ...string) (string, error) {
	c := exec.Command("chroot", append([]string{m.root}, args...)...)
	if m.nspawn != nil {
		c = exec.Command("nsenter", append([]string{"--target", strconv.Itoa(m.leader), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--"}, args...)...)
	}
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"}
	c.Dir = "/"
	out, err := c.CombinedOutput()
	return strings.TrimRight(string(out), "\n"), err
}

// run is try for what must succeed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, m.journal())
	}
	return out
}

// journal is what the machine's journal has of the agent.
func (m *machine) journal() string {
	if m.nspawn == nil {
		return ""
	}
	out, _ := m.try("journalctl", "--no-pager", "-u", "codedeploy-agent.service", "-n", "80")
	return out
}

// unit is a property of the agent's unit.
func (m *machine) unit(property string) string {
	out, _ := m.try("systemctl", "show", "--property", property, "--value", "codedeploy-agent.service")
	return out
}

func (m *machine) path(path string) string { return filepath.Join(m.root, path) }

func (m *machine) write(path, content string, mode fs.FileMode) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(path)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.path(path), []byte(content), mode); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(path string) string {
	text, err := os.ReadFile(m.path(path))
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m *machine) exists(path string) bool {
	_, err := os.Lstat(m.path(path))
	return err == nil
}

// bring copies a file of this host into the machine and returns its path there.
func (m *machine) bring(path string) string {
	m.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	to := "/root/" + filepath.Base(path)
	m.write(to, string(content), 0o755)
	return to
}

func (m *machine) install(deb string) {
	m.t.Helper()
	m.run("dpkg", "--install", m.bring(deb))
}

// eventually waits until something holds.
func (m *machine) eventually(limit time.Duration, what string, holds func() bool) {
	m.t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("not within %s: %s\nunit: %s %s, status %q, restarts %s\n%s", limit, what, m.unit("ActiveState"), m.unit("SubState"), m.unit("StatusText"),
				m.unit("NRestarts"), m.journal())
		}
	}
}

func (m *machine) waitForState(state string) {
	m.t.Helper()
	m.eventually(2*time.Minute, "the unit is "+state, func() bool { return m.unit("ActiveState") == state })
}

// ours are the paths that differ from the common root and whose name or content is the agent's.
func (m *machine) ours() []string {
	var found []string
	_ = filepath.WalkDir(m.upper, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(path, m.upper), "/")
		info, err := d.Info()
		if err != nil || info.Mode()&fs.ModeCharDevice != 0 { // what the overlay has removed
			return nil
		}
		if strings.Contains(rel, "codedeploy") || rel == "/var/log/aws" {
			found = append(found, rel)
		}
		return nil
	})
	return found
}
