package dryrun

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devices are the host's devices that a view has: none that reaches hardware or the console.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// own makes what the view has of its own: processes, kernel settings that can only be read, a few devices.
func (v *view) own() error {
	for _, dir := range append([]string{"/tmp"}, own...) {
		if err := os.MkdirAll(join(v.root, dir), 0o755); err != nil {
			return err
		}
	}
	proc, sys, dev := join(v.root, "/proc"), join(v.root, "/sys"), join(v.root, "/dev")
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return unsupported("cannot mount /proc: %w; in a container that hides parts of it this is not allowed", err)
	}
	// Root writes these without being asked for a capability, and they are the host's.
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs"} {
		at := filepath.Join(proc, name)
		if _, err := os.Lstat(at); err != nil {
			continue
		}
		if err := unix.Mount(at, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("cannot protect /proc/%s: %w", name, err)
		}
		if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("cannot protect /proc/%s: %w", name, err)
		}
	}
	if err := unix.Mount("sysfs", sys, "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		v.warnings = append(v.warnings, fmt.Sprintf("/sys is empty in the view: %v", err))
	}
	if err := unix.Mount("dev", dev, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("cannot make /dev: %w", err)
	}
	for _, name := range devices {
		if !v.settings.User {
			if err := makeDevice(filepath.Join("/dev", name), filepath.Join(dev, name)); err == nil {
				continue
			}
		}
		if err := bind(filepath.Join("/dev", name), filepath.Join(dev, name)); err != nil {
			return fmt.Errorf("cannot show /dev/%s: %w", name, err)
		}
	}
	for _, dir := range []string{"pts", "shm"} {
		if err := os.Mkdir(filepath.Join(dev, dir), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", filepath.Join(dev, "pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		v.warnings = append(v.warnings, fmt.Sprintf("there are no terminals in the view: %v", err))
	}
	if err := os.Chmod(filepath.Join(dev, "shm"), 0o1777); err != nil {
		return err
	}
	for _, link := range [][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
		{"pts/ptmx", "ptmx"}} {
		if err := os.Symlink(link[0], filepath.Join(dev, link[1])); err != nil {
			return err
		}
	}
	return v.ownDirectory()
}

// makeDevice makes a device like the host's, so that its mode is the view's own.
func makeDevice(like, at string) error {
	var st unix.Stat_t
	if err := unix.Stat(like, &st); err != nil {
		return err
	}
	return unix.Mknod(at, st.Mode, int(st.Rdev))
}

// ownDirectory makes the dry run's own directory: the agent's binary and what stand-ins keep. Hooks run as other users, too.
func (v *view) ownDirectory() error {
	at := join(v.root, private)
	if err := os.MkdirAll(filepath.Join(at, "brought"), 0o755); err != nil {
		return err
	}
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(join(v.root, self), os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("cannot bring the agent's binary into the view: %w", err)
	}
	return v.keepStandIns(at)
}

// bring shows what the caller wants to have in the view.
func (v *view) bring() error {
	for name, from := range v.settings.Options.Bring {
		at := join(v.root, PathInView(name))
		if err := bind(from, at); err != nil {
			return fmt.Errorf("cannot bring %s into the view: %w", from, err)
		}
		if err := readOnly(at); err != nil {
			return fmt.Errorf("cannot bring %s into the view: %w", from, err)
		}
	}
	return nil
}

// readOnly makes a bind mount read-only. What the host has forbidden on the file system stays forbidden: without that an ordinary user may
// not change anything.
func readOnly(at string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY)
	flags |= uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
	if st.Flags&0x1000 != 0 { // ST_RELATIME, which is numbered differently
		flags |= unix.MS_RELATIME
	}
	return unix.Mount("", at, "", flags, "")
}

// bind shows a file or directory at another place.
func bind(from, at string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	flags := uintptr(unix.MS_BIND)
	if info.IsDir() {
		flags |= unix.MS_REC
		err = os.MkdirAll(at, 0o755)
	} else {
		err = os.WriteFile(at, nil, 0o644)
	}
	if err != nil {
		return err
	}
	return unix.Mount(from, at, "", flags, "")
}

// loopbackUp makes 127.0.0.1 work in a network of the view's own.
func loopbackUp(s settings) func() error {
	return func() error {
		if s.HostNetwork {
			return nil
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot start the view's network: %w", err)
		}
		defer unix.Close(fd)
		request, err := unix.NewIfreq("lo")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_UP)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
			return fmt.Errorf("cannot start the view's network: %w", err)
		}
		return nil
	}
}

// listenForLog takes what programs write to the system's log, as a host would, so that they do not complain.
func listenForLog() {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	if err != nil {
		return
	}
	_ = os.Chmod("/dev/log", 0o666)
	go func() {
		for buf := make([]byte, 64<<10); ; {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
}
