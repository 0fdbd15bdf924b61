package dryrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The file descriptors of the view's first process.
const (
	settingsFD = 3 // the settings; then a byte for each step that the caller allows; its end is the caller's end
	messagesFD = 4
)

// Main runs one of the package's hidden sub-commands and does not return; for any other arguments it does nothing.
func Main(args []string) {
	if len(args) < 2 {
		return
	}
	switch args[1] {
	case initCommand:
		os.Exit(initMain())
	case enterCommand:
		os.Exit(enterMain(args[2:]))
	case standInCommand:
		os.Exit(standInMain(args[2:]))
	case janitorCommand:
		os.Exit(janitorMain(args[2]))
	case superviseCommand:
		os.Exit(superviseMain())
	}
}

// Run runs a program on a view and returns its exit code, or the negative number of the signal that has ended it. When ctx ends, everything in the view is killed. Whatever happens to the
// caller, nothing of the view remains: it dies with its first process, and that with the caller.
func Run(ctx context.Context, o Options) (observed *Observation, code int, err error) {
	s := settings{User: Ordinary(), HostNetwork: o.HostNetwork, Keep: o.Shell != nil}
	s.Options.Root, s.Options.StandIns, s.Options.Program, s.Options.Dir, s.Options.Bring = o.Root, o.StandIns, o.Program, o.Dir, o.Bring
	differences, err := newScratch(o.Scratch, s.User)
	if err != nil {
		return nil, 0, err
	}
	s.Scratch = differences.path()
	defer func() { err = errors.Join(err, differences.remove()) }()
	told, tell, err := os.Pipe()
	if err != nil {
		return nil, 0, err
	}
	defer tell.Close()
	messages, write, err := os.Pipe()
	if err != nil {
		told.Close()
		return nil, 0, err
	}
	defer messages.Close()

	cmd := exec.Command("/proc/self/exe", initCommand)
	cmd.Args[0] = os.Args[0]
	if o.Root != "" {
		cmd.Env = foreignEnvironment()
	}
	cmd.ExtraFiles = []*os.File{told, write}
	cmd.Stdout, cmd.Stderr = o.Output, o.Output
	if s.Keep {
		cmd.Stdin = os.Stdin
	}
	cmd.SysProcAttr = namespaces(s)
	var complaint bytes.Buffer
	if o.Output == nil {
		cmd.Stderr = &complaint
	}
	// The kernel kills the child when the thread that started it ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	told.Close()
	write.Close()
	if err != nil {
		return nil, 0, refused(err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	if err := json.NewEncoder(tell).Encode(s); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("cannot start a view: %w", err), kill(cmd))
	}
	observed, code, err = listen(messages, tell, o)
	if err != nil {
		kill(cmd)
	} else {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return nil, 0, fmt.Errorf("the dry run was stopped: %w", context.Cause(ctx))
	}
	if err == nil && observed == nil {
		err = fmt.Errorf("cannot tell what happened: the view's first process ended without a report: %s", complaint.String())
	}
	return observed, code, err
}

// Ordinary says whether views are those of an ordinary user: also root is one in a user namespace that somebody else has made, as in a rootless
// container.
func Ordinary() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return os.Geteuid() != 0 || err == nil && !slices.Equal(strings.Fields(string(data)), []string{"0", "0", "4294967295"})
}

// foreignEnvironment is what programs of another root file system start with: nothing in it is about this host's files.
func foreignEnvironment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root"}
	for _, name := range []string{"TERM", "LANG", "TZ"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func kill(cmd *exec.Cmd) error {
	_ = cmd.Process.Kill()
	return cmd.Wait()
}

// listen takes the messages of the view until they end.
func listen(messages io.Reader, tell io.Writer, o Options) (observed *Observation, code int, err error) {
	for d := json.NewDecoder(messages); ; {
		var e envelope
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return observed, code, nil
		} else if err != nil {
			return observed, code, fmt.Errorf("cannot understand the view's messages: %w", err)
		}
		switch {
		case e.Error != "" && e.Unsupported:
			return nil, 0, &UnsupportedError{errors.New(e.Error)}
		case e.Error != "":
			return nil, 0, errors.New(e.Error)
		case e.Program != nil && o.Message != nil:
			o.Message(e.Program)
		}
		if e.Exit != nil {
			code = *e.Exit
		}
		if e.Observation != nil {
			observed = e.Observation
			if o.Shell != nil {
				o.Shell(observed)
				if _, err := tell.Write([]byte{'\n'}); err != nil {
					return observed, code, nil
				}
			}
		}
	}
}

// namespaces are what the view has of its own.
func namespaces(s settings) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if !s.HostNetwork {
		a.Cloneflags |= syscall.CLONE_NEWNET
	}
	if s.User {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// refused explains why the kernel has not made namespaces.
func refused(err error) error {
	why := err.Error()
	var call syscall.Errno
	if errors.As(err, &call) {
		why = call.Error() // not that a program could not be started
	}
	switch {
	case errors.Is(err, unix.EPERM) && os.Geteuid() == 0:
		why += ": this looks like a container, which is not allowed to make namespaces (it would need CAP_SYS_ADMIN)"
	case errors.Is(err, unix.EPERM):
		why += ": ordinary users may not make namespaces here; try as root, or see the sysctls kernel.unprivileged_userns_clone and " +
			"kernel.apparmor_restrict_unprivileged_userns"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		why = "the limit of namespaces is reached, see the sysctls user.max_user_namespaces, max_mnt_namespaces, max_pid_namespaces, " +
			"max_net_namespaces, max_ipc_namespaces and max_uts_namespaces"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		why += ": this kernel has no user, mount, process or network namespaces"
	}
	return &UnsupportedError{errors.New(why)}
}

// NewMessages returns the writer of messages of a program that runs in a view.
func NewMessages() *Messages {
	unix.CloseOnExec(MessagesFD)
	return &Messages{json.NewEncoder(os.NewFile(MessagesFD, "messages"))}
}
