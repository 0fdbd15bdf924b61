// Command demo shows blue/green deployments with the real agent on one machine: an embedded command service, object
// store and load balancer, an agent for each instance, and a client that asks for the site all the time. It deploys
// three versions of the example revision; the third is broken and must not get any traffic.
//
// It needs the agent's binary, the Go toolchain and a POSIX shell, no privileges, and no network but loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// limit is how long the demo may take before something is taken to be stuck.
const limit = 2 * time.Minute

func main() {
	if len(os.Args) > 1 && os.Args[1] == enterCommand {
		// This process is on its way to become an instance's agent.
		err := enter(os.Args[2:])
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	var o options
	flag.StringVar(&o.agent, "agent", "bin/codedeploy-agent", "the agent's `binary`")
	flag.StringVar(&o.revision, "revision", "", "a copy of examples/web with the web server at bin/webserver, in this `directory`; default: build it")
	flag.StringVar(&o.dir, "dir", "", "work in this `directory`, which must not exist or be empty; default a new temporary one")
	flag.BoolVar(&o.keep, "keep", false, "keep the directory, for a look at logs and files afterwards")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the demo took longer than %v", limit))
	defer cancel()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1) //nolint:gocritic // what is deferred has no effect beyond this process
	}
}

type options struct {
	agent, revision, dir string
	keep                 bool
}

// run sets the stage, plays the story and clears up, in that order, whatever happens in between.
func run(ctx context.Context, o options, out *os.File) (err error) {
	started := time.Now()
	s, err := newStage(ctx, o, out)
	if s != nil {
		defer func() {
			left := s.close()
			err = errors.Join(err, left)
			if left == nil {
				s.say("Everything is stopped; nothing is left running (%.1f s in all).", time.Since(started).Seconds())
			}
		}()
	}
	if err != nil {
		return err
	}
	err = s.play()
	if cause := context.Cause(s.ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(err, cause)
	}
	return err
}
