//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// daemon is an agent, or what is compared with one, that polls the embedded service over TLS, with everything that both keep below one directory.
type daemon struct {
	dir     string
	service *rehearsal.Service
	cmd     *exec.Cmd
	began   time.Time // when the agent was started
	log     strings.Builder
}

// patience is how long a daemon may take to end. What it deploys here takes less than a second.
const patience = time.Minute

// newDaemon starts the service.
func newDaemon(dir string, o rehearsal.Options) (d *daemon, err error) {
	o.TLS = true
	d = &daemon{dir: dir}
	d.service, err = rehearsal.NewService(o)
	return d, err
}

// start starts the agent with a configuration that names the service and has the given lines, and with variables of the environment.
func (d *daemon) start(agent string, lines []string, env ...string) error {
	authority, err := d.service.CAFile(d.dir)
	if err != nil {
		return err
	}
	config, err := configuration(d.dir, append(lines, "deploy_control_endpoint: "+d.service.URL(), "ca_bundle_file: "+authority)...)
	if err != nil {
		return err
	}
	return d.run([]string{agent, "run", "--config-file", config}, env...)
}

// run starts a program with an environment like a service's: what a shell says of certificates and proxies would be measured, too.
func (d *daemon) run(argv []string, env ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stderr = &d.log
	d.began = time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cmd = cmd
	return nil
}

// stop ends the program, if it was started, which must take a SIGTERM for it, and the service.
func (d *daemon) stop() error {
	defer d.service.Close()
	if d.cmd == nil {
		return nil
	}
	err := d.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	if e := d.cmd.Wait(); !late.Stop() {
		err = errors.Join(err, fmt.Errorf("%s does not end within %s after SIGTERM", d.cmd.Path, patience))
	} else {
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("%w; it says:\n%s", err, d.log.String())
	}
	return nil
}

// file writes a file for the agent and returns its path.
func (d *daemon) file(name string, content []byte) (string, error) {
	path := filepath.Join(d.dir, name)
	return path, os.WriteFile(path, content, 0o600)
}
