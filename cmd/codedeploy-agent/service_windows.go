package main

import (
	"context"
	"os"

	"github.com/kardianos/service"
	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
)

// handOverSignals is empty: Windows has no such signal.
var handOverSignals []os.Signal

// runService runs the agent under the service control manager, or in a console.
func runService(file string) error {
	if service.Interactive() {
		stop, abandon, release := untilSignal()
		defer release()
		return daemon(file, stop, abandon)
	}
	p := &program{file: file, ended: make(chan error, 1)}
	s, err := service.New(p, &service.Config{Name: serviceName()})
	if err != nil {
		return err
	}
	return s.Run()
}

// program is the agent as the service control manager sees it.
type program struct {
	file  string
	stop  context.CancelFunc
	ended chan error
}

// Start must not block.
func (p *program) Start(service.Service) error {
	var stop context.Context
	stop, p.stop = context.WithCancel(context.Background())
	go func() { p.ended <- daemon(p.file, stop, context.Background()) }()
	return nil
}

// Stop lets running lifecycle events end.
func (p *program) Stop(service.Service) error {
	p.stop()
	return <-p.ended
}

// prepareProcess has nothing to do: Windows knows no umask and writes no core dumps.
func prepareProcess(*config.Config, *zap.Logger) {}
