package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

func keepRunning() {}

// KeepDescriptors does nothing: on Windows a process hands down no more than it says.
func KeepDescriptors()     {}
func releaseTerminal()     {}
func syncDir(string) error { return nil }

func selfPath() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// startRunner starts the runner detached from the agent's console. Windows passes no lock down: the runner's process id is
// written into the lock file, and waiting for the lock is waiting for the process.
func startRunner(f Files, env []string, live io.Writer) (complaint func() string, err error) {
	cmd := exec.Command(selfPath(), Command, f.dir, fmt.Sprint(f.number))
	cmd.Env = env
	cmd.SysProcAttr = &windows.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW}
	if shown := fileOf(live); shown != nil {
		cmd.Stdout = shown
	}
	if complaint, err = runnerComplaint(cmd); err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.lock, []byte(fmt.Sprint(cmd.Process.Pid)), 0o600); err != nil {
		return nil, fmt.Errorf("cannot lock the run: %w", err)
	}
	return complaint, nil
}

// locked says whether the runner lives and has written no record.
func locked(path string) (bool, error) {
	h, err := runnerOf(path)
	if h == 0 || err != nil {
		return false, err
	}
	defer windows.CloseHandle(h)
	if _, err := os.Stat(strings.TrimSuffix(path, ".lock") + ".record"); err == nil {
		return false, nil
	}
	r, err := windows.WaitForSingleObject(h, 0)
	return r != windows.WAIT_OBJECT_0, err
}

// runnerOf opens the process that a lock names; 0 for one that has ended.
func runnerOf(path string) (windows.Handle, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var pid uint32
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		return 0, fmt.Errorf("cannot read the lock %s: %w", path, err)
	}
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	if err != nil {
		return 0, nil
	}
	return h, nil
}

// exclusive does nothing: Windows does not let a file be renamed that another process has open.
func exclusive(*os.File) (release func(), err error) { return func() {}, nil }

// lockAndRelease waits until the record is there or the runner is gone.
func lockAndRelease(path string) error {
	h, err := runnerOf(path)
	if h == 0 || err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	record := strings.TrimSuffix(path, ".lock") + ".record"
	for {
		if _, err := os.Stat(record); err == nil {
			return nil
		}
		switch r, err := windows.WaitForSingleObject(h, 100); {
		case err != nil:
			return err
		case r == windows.WAIT_OBJECT_0:
			return nil
		}
	}
}

// makeExecutable has nothing to do: Windows goes by the name.
func makeExecutable(string, string, fs.FileInfo) (string, error) { return "", nil }

// startScript starts the script; PowerShell scripts through PowerShell, as the official agents do. runas and sudo do not
// exist on Windows.
func startScript(job Job, path string, _ *cgroup) (*script, error) {
	argv := []string{path}
	if strings.EqualFold(filepath.Ext(path), ".ps1") {
		ps, err := exec.LookPath("powershell.exe")
		if err != nil {
			return nil, err
		}
		argv = []string{ps}
		if job.NoPowerShellProfile {
			argv = append(argv, "-NoProfile")
		}
		argv = append(argv, "-ExecutionPolicy", "Bypass", "-File", path)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, outR.Close(), outW.Close())
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = outW, errW
	cmd.SysProcAttr = &windows.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, outR.Close(), outW.Close(), errR.Close(), errW.Close())
	}
	outW.Close()
	errW.Close()
	return &script{proc: cmd.Process, stdout: outR, stderr: errR}, nil
}

func terminate(p *os.Process) { p.Kill() }
func kill(p *os.Process) {
	exec.Command("taskkill", "/T", "/F", "/PID", fmt.Sprint(p.Pid)).Run()
}
func signalOf(*os.ProcessState) string { return "" }
func maxRSS(*os.ProcessState) int64    { return 0 }
