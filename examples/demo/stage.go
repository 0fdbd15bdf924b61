package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

const (
	group  = "dg-0123456789abcdef"
	bucket = "releases"
	// askEvery is the pace of the client: a hundred and more requests a second.
	askEvery = 5 * time.Millisecond
	// hold keeps an idle agent's poll open, as the real service's long polls, so that a command reaches it at once.
	hold = 50 * time.Second
)

// stage is everything the demo has running.
type stage struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	out    *os.File
	start  time.Time
	keep   bool

	dir, agent, signerFile string
	source                 *source
	isolation              *isolation
	service                *rehearsal.Service
	balancer               *rehearsal.Balancer
	workflow               *rehearsal.Workflow
	traffic                *rehearsal.Traffic
	instances              []*instance
}

// newStage sets everything up but the instances. When it fails it may return a stage that is to be closed.
func newStage(ctx context.Context, o options, out *os.File) (*stage, error) {
	agent, err := filepath.Abs(o.agent)
	if err != nil {
		return nil, fmt.Errorf("cannot find the agent: %w", err)
	}
	if info, err := os.Stat(agent); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot find the agent %s: build it with 'make build', or say where it is with -agent", agent)
	}
	s := &stage{out: out, keep: o.keep, agent: agent}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	if s.dir, err = workDir(o.dir); err != nil {
		return nil, err
	}
	if o.revision != "" {
		s.source, err = readSource(o.revision)
	} else {
		s.say("Building the site's server and its revision ...")
		s.source, err = buildSource(s.ctx, s.dir)
	}
	if err != nil {
		return s, err
	}
	s.isolation = isolate(s.ctx, s.dir)
	if s.service, err = rehearsal.NewService(rehearsal.Options{Hold: hold}); err != nil {
		return s, err
	}
	s.signerFile = filepath.Join(s.dir, "signer-ca.pem")
	if err = os.WriteFile(s.signerFile, s.service.SignerCAPEM(), 0o644); err != nil {
		return s, fmt.Errorf("cannot write the signer's certificate: %w", err)
	}
	if s.balancer, err = rehearsal.NewBalancer(rehearsal.BalancerOptions{}); err != nil {
		return s, err
	}
	s.start = time.Now()
	s.workflow = rehearsal.NewWorkflow(s.service, s.balancer, s.show)
	return s, nil
}

// workDir returns the directory to work in, without links in its path: mounts and pointers are compared by path.
func workDir(wanted string) (string, error) {
	var err error
	if wanted == "" {
		wanted, err = os.MkdirTemp("", "codedeploy-demo-")
	} else if err = os.MkdirAll(wanted, 0o755); err == nil {
		var entries []os.DirEntry
		if entries, err = os.ReadDir(wanted); err == nil && len(entries) > 0 {
			err = fmt.Errorf("%s is not empty", wanted)
		}
	}
	if err == nil {
		wanted, err = filepath.Abs(wanted)
	}
	if err == nil {
		wanted, err = filepath.EvalSymlinks(wanted)
	}
	if err != nil {
		return "", fmt.Errorf("cannot make the demo's directory: %w", err)
	}
	return wanted, nil
}

// close stops everything, checks that nothing is left, and removes the demo's directory.
func (s *stage) close() error {
	s.cancel(errors.New("the demo is over"))
	var problems []error
	if s.traffic != nil {
		_, _ = s.traffic.Stop() // the story has taken the counts it wants
	}
	// First, for a server that ends waits for the connections that the load balancer keeps.
	if s.balancer != nil {
		problems = append(problems, s.balancer.Close())
	}
	problems = append(problems, s.stopInstances(), s.sweep())
	if s.service != nil {
		problems = append(problems, s.service.Close())
	}
	if s.keep {
		s.say("Kept %s: per instance its configuration, log, deployment-root and tree.", s.dir)
	} else if err := os.RemoveAll(s.dir); err != nil {
		problems = append(problems, fmt.Errorf("cannot remove the demo's directory: %w", err))
	}
	return errors.Join(problems...)
}

// stopInstances stops all instances at the same time.
func (s *stage) stopInstances() error {
	problems := make([]error, len(s.instances))
	var all sync.WaitGroup
	for n, i := range s.instances {
		all.Go(func() { problems[n] = i.stop() })
	}
	all.Wait()
	return errors.Join(problems...)
}

// sweep ends what should have ended by now and did not. Finding anything is an error. A server that has closed its port may take some seconds
// more for the answers it owes.
func (s *stage) sweep() error {
	var problems []error
	end := time.Now().Add(stopTime)
	for {
		left, err := marked(s.dir)
		if err != nil {
			return fmt.Errorf("cannot check that nothing is left running: %w", err)
		}
		if len(left) == 0 {
			return errors.Join(problems...)
		}
		if time.Now().After(end) {
			for _, pid := range left {
				problems = append(problems, fmt.Errorf("process %d (%s) was left running and was killed", pid, commandOf(pid)), kill(pid))
			}
			return errors.Join(problems...)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
