//go:build linux

package packaging

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tests of packages boot Debian in containers. They run for "make test-packages" only, which sets this variable to the folder in which the
// container's root is kept from one run to the next.
const cacheVariable = "PACKAGES_CACHE"

// insideVariable tells the process that it is the one in a network of its own.
const insideVariable = "PACKAGES_TEST_INSIDE"

// builtVariable names a folder with the packages of an earlier run, or for the next; without it they are built for each run.
const builtVariable = "PACKAGES_BUILT"

// whyNot is why containers cannot be booted here, empty if they can.
var whyNot = "make test-packages runs it"

// base is the root that every container is a copy of; built has the packages of this tree.
var (
	base  string
	built packages
)

// packages are two builds of the agent, the older one with fault points in its binary beside it.
type packages struct {
	dir    string
	faulty string // the binary with fault points
}

// deb and rpm are the files of version "0.1.0" or "0.2.0".
func (p packages) deb(version string) string {
	return filepath.Join(p.dir, version, "codedeploy-agent_"+version+"_"+goarch()+".deb")
}

func (p packages) rpm(version string) string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[goarch()]
	return filepath.Join(p.dir, version, "codedeploy-agent-"+version+"-1."+arch+".rpm")
}

func goarch() string {
	out, _ := exec.Command("go", "env", "GOHOSTARCH").Output()
	return strings.TrimSpace(string(out))
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	cache := os.Getenv(cacheVariable)
	if cache == "" {
		return m.Run()
	}
	if os.Getenv(insideVariable) == "" {
		return outside(cache)
	}
	whyNot = os.Getenv("PACKAGES_TEST_WHY_NOT")
	base, built = os.Getenv("PACKAGES_TEST_BASE"), packages{os.Getenv(builtVariable), filepath.Join(os.Getenv(builtVariable), "faulty")}
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", "169.254.169.254/32", "dev", "lo"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil && whyNot == "" {
			fmt.Fprintf(os.Stderr, "cannot set up a network for the tests: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// outside gets ready what needs the network, and then starts the tests in a network of their own: nothing in a container can reach anything
// but the tests.
func outside(cache string) int {
	dir := os.Getenv(builtVariable)
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "codedeploy-packages-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
	}
	root, why := prepare(cache)
	if _, err := os.Stat(filepath.Join(dir, "faulty")); why == "" && err != nil {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	self := exec.Command("/proc/self/exe", os.Args[1:]...)
	self.Env = append(os.Environ(), insideVariable+"=1", "PACKAGES_TEST_WHY_NOT="+why, "PACKAGES_TEST_BASE="+root, builtVariable+"="+dir)
	self.Stdout, self.Stderr = os.Stdout, os.Stderr
	if why == "" {
		self.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	}
	err := self.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// prepare returns the root of a Debian with systemd, or why there is none.
func prepare(cache string) (root, why string) {
	if os.Getuid() != 0 {
		return "", "containers need root"
	}
	for _, program := range []string{"systemd-nspawn", "debootstrap", "nsenter", "ip", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", program + " is not installed (apt-get install systemd-container debootstrap util-linux iproute2)"
		}
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err.Error()
	}
	root = filepath.Join(cache, "bookworm")
	if _, err := os.Stat(filepath.Join(root, "usr/bin/rpm")); err == nil {
		return root, ""
	}
	fmt.Println("making a Debian in", root)
	temporary := root + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return "", err.Error()
	}
	out, err := exec.Command("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,ca-certificates,rpm", "bookworm", temporary).CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Sprintf("debootstrap failed: %v: %s", err, lines[len(lines)-1])
	}
	if err := errors.Join(os.RemoveAll(root), os.Rename(temporary, root)); err != nil {
		return "", err.Error()
	}
	return root, ""
}

// build builds the packages of two versions.
func build(dir string) error {
	nfpm := os.Getenv("NFPM")
	for _, version := range []string{"0.1.0", "0.2.0"} {
		c := exec.Command("./build.sh")
		c.Env = append(os.Environ(), "VERSION="+version, "COMMIT=test", "DATE=2026-01-02T03:04:05Z", "EPOCH_SECONDS=1767323045", "NFPM="+nfpm,
			"OUT="+filepath.Join(dir, version), "ARCHITECTURES="+goarch(), "FORMATS=deb rpm")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build the packages: %w\n%s", err, out)
		}
	}
	c := exec.Command("go", "build", "-tags", "faultpoints", "-buildvcs=false", "-o", filepath.Join(dir, "faulty"), "../cmd/codedeploy-agent")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the agent with fault points: %w\n%s", err, out)
	}
	return nil
}
