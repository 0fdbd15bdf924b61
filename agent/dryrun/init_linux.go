package dryrun

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
)

// first is the first process of a view: it makes the view, starts the program and sees to what the program leaves behind. With its
// end the kernel ends every process of the view.
type first struct {
	settings settings
	told     *bufio.Reader
	messages *os.File
	// mu guards the children whose end somebody waits for.
	mu       sync.Mutex
	children map[int]chan syscall.WaitStatus
}

func initMain() int {
	// Neither what is typed for a shell on the same terminal nor a hook that kills by name may end the view. Ignored signals would stay
	// ignored in the hooks; these are taken and nothing is done.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGTTOU,
		syscall.SIGTTIN, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM)
	syscall.CloseOnExec(settingsFD)
	syscall.CloseOnExec(messagesFD)
	f := &first{told: bufio.NewReader(os.NewFile(settingsFD, "settings")), messages: os.NewFile(messagesFD, "messages"),
		children: map[int]chan syscall.WaitStatus{}}
	line, err := f.told.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &f.settings)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot make a view: this command is the dry run's own:", err)
		return 1
	}
	if err := f.run(); err != nil {
		e := envelope{Error: err.Error()}
		if u := (*UnsupportedError)(nil); errors.As(err, &u) {
			e.Error, e.Unsupported = u.Err.Error(), true
		}
		_ = f.send(e)
		return 1
	}
	return 0
}

func (f *first) send(e envelope) error { return json.NewEncoder(f.messages).Encode(e) }

func (f *first) run() error {
	v, err := makeView(f.settings)
	if err != nil {
		return err
	}
	go f.reap()
	allowed := make(chan struct{})
	go func() {
		// The caller says when the shell may start. It is gone when the pipe ends, and so are we.
		if _, err := f.told.ReadByte(); err == nil {
			close(allowed)
			_, _ = io.Copy(io.Discard, f.told)
		}
		os.Exit(1)
	}()
	exit, err := f.program(v)
	if err != nil {
		return err
	}
	observed, err := v.observe()
	if err != nil {
		return err
	}
	code := exit.ExitStatus()
	if exit.Signaled() {
		code = -int(exit.Signal())
	}
	if err := f.send(envelope{Observation: observed, Exit: &code}); err != nil || !f.settings.Keep {
		return err
	}
	<-allowed
	return f.shell(v)
}

// environment is what the view's programs start with.
func (v *view) environment() []string {
	env := os.Environ()
	if v.alwaysReal("pip") {
		return env
	}
	path := pythonDir
	if other := os.Getenv("PYTHONPATH"); other != "" {
		path += ":" + other
	}
	return append(env, "PYTHONPATH="+path)
}

// program runs the program to its end.
func (f *first) program(v *view) (syscall.WaitStatus, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return f.start(v, v.dir(f.settings.Options.Dir), append([]string{self}, f.settings.Options.Program...), v.environment(),
		[]uintptr{null.Fd(), 1, 2, f.messages.Fd()})
}

// shell runs a shell in the view on the caller's terminal.
func (f *first) shell(v *view) error {
	path := ""
	for _, p := range []string{os.Getenv("SHELL"), "/bin/bash", "/bin/sh"} {
		if info, err := os.Stat(p); p != "" && err == nil && info.Mode()&0o111 != 0 {
			path = p
			break
		}
	}
	if path == "" {
		return fmt.Errorf("cannot open a shell in the view: there is none")
	}
	argv := []string{path}
	if filepath.Base(path) == "bash" {
		argv = append(argv, "--rcfile", shellFile) // the user's own would set the prompt
	}
	_, err := f.start(v, v.dir(f.settings.Options.Dir), argv, append(v.environment(), "PS1=(dry run) \\w# "), []uintptr{0, 1, 2})
	return err
}

// start starts a program of the view and waits for it.
func (f *first) start(v *view, dir string, argv, env []string, files []uintptr) (syscall.WaitStatus, error) {
	broker, err := v.newBroker()
	if err != nil {
		return 0, err
	}
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Files: files}
	args := []string{self, enterCommand, fmt.Sprint(len(files))}
	if broker != nil {
		attr.Files = append(attr.Files, broker.childEnd())
		args[2] = fmt.Sprint(-len(files)) // there is one more, which is the broker's
	}
	ended := make(chan syscall.WaitStatus, 1)
	f.mu.Lock()
	pid, err := syscall.ForkExec(self, append(args, argv...), attr)
	if err == nil {
		f.children[pid] = ended
	}
	f.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("cannot start a program in the view: %w", err)
	}
	if broker != nil {
		if err := broker.serve(); err != nil {
			return 0, err
		}
	}
	return <-ended, nil
}

// reap collects the view's orphans, and the children for whoever waits for them.
func (f *first) reap() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	for range signals {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			f.mu.Lock()
			ended := f.children[pid]
			delete(f.children, pid)
			f.mu.Unlock()
			if ended != nil {
				ended <- status
			}
		}
	}
}
