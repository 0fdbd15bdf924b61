//go:build unix

package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// firstDescriptor is the first one that is neither standard input nor output.
const firstDescriptor = 3

// keepRunning makes the runner outlive what is meant for the agent: it handles the signals that would end it. They are
// caught rather than ignored because an ignored signal would stay ignored in the script. So would those of job control that whoever started
// the agent has ignored; the others Go catches by itself.
func keepRunning() {
	unblockSignals()
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT)
	go func() {
		for range c {
		}
	}()
}

// releaseTerminal gives up the terminal (or pipe) that a local deployment shows the output on.
func releaseTerminal() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for _, fd := range []int{1, 2} {
		dup2(int(null.Fd()), fd)
	}
}

// selfPath is the running binary, even when an upgrade has replaced it on disk.
func selfPath() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// startRunner starts the runner in a session of its own with the lock as its file descriptor lockFD.
func startRunner(f Files, env []string, live io.Writer) (complaint func() string, err error) {
	lock, err := os.OpenFile(f.lock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the run: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("cannot lock the run: %w", err)
	}
	err = runnersCgroup().start(&syscall.SysProcAttr{Setsid: true}, func(sys *syscall.SysProcAttr) (err error) {
		cmd := exec.Command(selfPath(), Command, f.dir, fmt.Sprint(f.number))
		cmd.Env, cmd.ExtraFiles, cmd.SysProcAttr = env, []*os.File{lock}, sys
		if shown := fileOf(live); shown != nil {
			cmd.Stdout = shown
		}
		complaint, err = runnerComplaint(cmd)
		return err
	})
	return complaint, err
}

// exclusive waits until no other runner rotates the log. The lock is the file's, whatever its name is meanwhile, and ends with release or when
// the file is closed.
func exclusive(f *os.File) (release func(), err error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }, err
		}
	}
}

// lockAndRelease waits until the lock is free.
func lockAndRelease(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the agent went down before the runner was started
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// locked says whether somebody holds the lock.
func locked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// makeExecutable gives a script without any execute bit all three, as the official agents do, and says so. A script that
// is a link out of the revision is left as it is.
func makeExecutable(archive, path string, info fs.FileInfo) (warning string, err error) {
	if info.Mode()&0o111 != 0 {
		return "", nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if out := OutsideOf(archive, path); out != "" {
		return "", OutsideError(out)
	}
	if err := os.Chmod(real, info.Mode().Perm()|0o111); err != nil {
		return "", err
	}
	return "the script was not executable; it has been made so", nil
}

// startScript starts the script in a session of its own, without a shell where the kernel can run it itself.
func startScript(job Job, path string, group *cgroup) (*script, error) {
	argv, env, credential := []string{path}, os.Environ(), (*syscall.Credential)(nil)
	switch {
	case job.Sudo:
		var err error
		if argv, err = throughSudo(job.RunAs, path); err != nil {
			return nil, err
		}
	case job.RunAs != "":
		who, err := credentialOf(job.RunAs)
		if err != nil {
			return nil, err
		}
		env, credential = who.environment(env), who.credential
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, outR.Close(), outW.Close())
	}
	null, err := os.Open(os.DevNull)
	if err == nil {
		defer null.Close()
		sys := &syscall.SysProcAttr{Setsid: true, Credential: credential}
		var proc *os.Process
		start := func() error {
			return group.start(sys, func(sys *syscall.SysProcAttr) (err error) {
				proc, err = os.StartProcess(argv[0], argv, &os.ProcAttr{Env: env, Files: []*os.File{null, outW, errW}, Sys: sys})
				return err
			})
		}
		err = start()
		if errors.Is(err, syscall.ENOEXEC) {
			// No "#!" line, or an empty script: a shell would run it, and so did the official agent.
			argv = append([]string{"/bin/sh"}, argv...)
			err = start()
		}
		if err == nil {
			outW.Close()
			errW.Close()
			return &script{proc: proc, group: group, stdout: outR, stderr: errR}, nil
		}
		err = explainStart(firstLine(path), err)
	}
	return nil, errors.Join(err, outR.Close(), outW.Close(), errR.Close(), errW.Close())
}

// explainStart says what usually is behind a script that is there and cannot be started; line is its first one.
func explainStart(line string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.ENOENT:
		hint := ""
		if strings.HasSuffix(line, "\r") {
			hint = "; the script has Windows line ends: save it with \\n only"
		}
		return fmt.Errorf("%w: its first line %q names no program of this host%s", errno, line, hint)
	case syscall.EACCES:
		return fmt.Errorf("%w: the user may not execute it, or its file system is mounted noexec", errno)
	}
	return errno
}

func firstLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return firstLineOf(f)
}

func firstLineOf(r io.Reader) string {
	buf := make([]byte, 256)
	n, _ := r.Read(buf)
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return line
}

// terminate and kill end everything in the script's process group.
func terminate(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGTERM) }
func kill(p *os.Process)      { syscall.Kill(-p.Pid, syscall.SIGKILL) }

func signalOf(s *os.ProcessState) string {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal().String()
	}
	return ""
}

func maxRSS(s *os.ProcessState) int64 {
	ru, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(ru.Maxrss) // bytes there, KiB elsewhere
	}
	return int64(ru.Maxrss) << 10
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
