package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// instance is one EC2 instance, as far as an agent can tell: it has an identity of its own, a file tree, a port for
// the site, and a running agent.
type instance struct {
	name     string
	dir      string // the agent's own files, and below it tree
	tree     string // what the instance finds at the deployment's destination
	root     string // where the instance finds it
	port     int
	metadata *rehearsal.Metadata
	agent    *exec.Cmd
	ended    chan struct{} // closed when the agent has ended
	endedAs  error
}

func (i *instance) host() rehearsal.Host {
	return rehearsal.Host{ID: i.metadata.HostIdentifier(), Name: i.name}
}

// launch makes an instance and starts its agent.
func (s *stage) launch(name, id string) (*instance, error) {
	i := &instance{name: name, dir: filepath.Join(s.dir, name)}
	i.tree = filepath.Join(i.dir, "tree")
	i.root = s.isolation.root(i.tree)
	s.instances = append(s.instances, i)
	if err := s.prepare(i, id); err != nil {
		return nil, fmt.Errorf("cannot launch %s: %w", name, err)
	}
	if err := s.startAgent(i); err != nil {
		return nil, fmt.Errorf("cannot start the agent of %s: %w", name, err)
	}
	return i, nil
}

func (s *stage) prepare(i *instance, id string) error {
	if err := os.MkdirAll(i.tree, 0o755); err != nil {
		return err
	}
	var err error
	if i.port, err = freePort(); err != nil {
		return err
	}
	settings := fmt.Sprintf("# Part of the instance, not of any revision.\nPORT=%d\n", i.port)
	if err := os.WriteFile(filepath.Join(i.tree, "instance.conf"), []byte(settings), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(i.configFile(), []byte(s.config(i)), 0o644); err != nil {
		return err
	}
	if i.metadata, err = rehearsal.NewMetadata(rehearsal.MetadataOptions{InstanceID: id}); err != nil {
		return err
	}
	return s.balancer.AddTarget(i.metadata.HostIdentifier(), fmt.Sprintf("http://127.0.0.1:%d", i.port))
}

func (i *instance) configFile() string { return filepath.Join(i.dir, "codedeployagent.yml") }

// config is the agent's configuration, with the keys and the style of the official one.
func (s *stage) config(i *instance) string {
	var text strings.Builder
	text.WriteString("---\n")
	for _, pair := range [][2]string{
		{"program_name", "codedeploy-agent"},
		{"root_dir", i.deploymentRoot()},
		{"log_dir", filepath.Join(i.dir, "log")},
		{"pid_dir", filepath.Join(i.dir, "pid")},
		{"state_dir", filepath.Join(i.dir, "state")},
		{"on_premises_config_file", filepath.Join(i.dir, "none.yml")},
		{"deploy_control_endpoint", s.service.URL()},
		{"s3_endpoint_override", s.service.URL()},
		{"deployment_signer_ca_file", s.signerFile},
	} {
		fmt.Fprintf(&text, ":%s: %s\n", pair[0], strconv.Quote(pair[1]))
	}
	return text.String()
}

func (i *instance) deploymentRoot() string { return filepath.Join(i.dir, "deployment-root") }

// lastSuccessful is where the agent's pointer to the last successful revision says it is; empty if there is none.
func (i *instance) lastSuccessful(group string) (string, error) {
	text, err := os.ReadFile(filepath.Join(i.deploymentRoot(), "deployment-instructions", group+"_last_successful_install"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

func (s *stage) startAgent(i *instance) (err error) {
	console, err := os.OpenFile(i.console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, console.Close()) }()
	c := exec.Command(s.agent, "run", "--config-file", i.configFile())
	c.Dir = "/"
	c.Env = s.environment(i)
	c.Stdout, c.Stderr = console, console
	ownSession(c)
	s.isolation.wrap(c, i.tree)
	if err := c.Start(); err != nil {
		return err
	}
	i.agent, i.ended = c, make(chan struct{})
	go func() {
		i.endedAs = c.Wait()
		close(i.ended)
		// An agent that ends by itself must not leave the demo waiting for it.
		s.cancel(fmt.Errorf("the agent of %s has ended (%v); its last words:\n%s", i.name, i.agent.ProcessState, i.lastWords()))
	}()
	return nil
}

func (i *instance) console() string { return filepath.Join(i.dir, "console.log") }

// environment is the demo's own, without what would lead an agent to somewhere real.
func (s *stage) environment(i *instance) []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "AWS_") && !strings.HasPrefix(entry, "CODEDEPLOY_") {
			kept = append(kept, entry)
		}
	}
	return append(kept, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+i.metadata.URL(), markVariable+"="+s.dir)
}

// lastWords is the end of what the agent printed.
func (i *instance) lastWords() string {
	text, err := os.ReadFile(i.console())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "    " + strings.Join(lines[max(0, len(lines)-15):], "\n    ")
}

// stopTime is how long something that was asked to end may take before it is killed.
const stopTime = 10 * time.Second

// stop ends the agent and what its hooks have started, and the instance's identity.
func (i *instance) stop() error {
	var problems []error
	if i.running() {
		problems = append(problems, i.stopAgent())
	}
	if pid := i.serverPID(); pid != 0 {
		if err := ask(pid); err != nil {
			problems = append(problems, fmt.Errorf("cannot stop the server of %s: %w", i.name, err))
		}
		if err := i.waitPortClosed(); err != nil {
			problems = append(problems, err, kill(pid))
		}
	}
	if i.metadata != nil {
		problems = append(problems, i.metadata.Close())
	}
	return errors.Join(problems...)
}

// running tells whether the agent runs. One that ended by itself was reported when it did.
func (i *instance) running() bool {
	if i.agent == nil {
		return false
	}
	select {
	case <-i.ended:
		return false
	default:
		return true
	}
}

// stopAgent asks the agent to end. Having to kill it, and any status but 0, is an error.
func (i *instance) stopAgent() error {
	if err := ask(i.agent.Process.Pid); err != nil {
		return errors.Join(fmt.Errorf("cannot stop the agent of %s: %w", i.name, err), kill(i.agent.Process.Pid))
	}
	select {
	case <-i.ended:
		if i.endedAs != nil {
			return fmt.Errorf("the agent of %s did not end well: %w; its last words:\n%s", i.name, i.endedAs, i.lastWords())
		}
		return nil
	case <-time.After(stopTime):
		err := fmt.Errorf("the agent of %s did not end within %v and was killed; its last words:\n%s", i.name, stopTime, i.lastWords())
		err = errors.Join(err, kill(i.agent.Process.Pid))
		<-i.ended
		return err
	}
}

// serverPID is the pid of the site's server while it listens; 0 if it does not. The port tells whether the pid in the
// file is still the server's.
func (i *instance) serverPID() int {
	text, err := os.ReadFile(filepath.Join(i.tree, "run", "web.pid"))
	if err != nil || !i.listening() {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

func (i *instance) listening() bool {
	connection, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", i.port), time.Second)
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

func (i *instance) waitPortClosed() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	for i.listening() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server of %s did not end within %v and was killed", i.name, stopTime)
		}
	}
	return nil
}

// freePort finds a port nobody listens on.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("cannot find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}
