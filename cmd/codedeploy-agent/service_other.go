//go:build !linux

package main

import (
	"errors"
	"runtime"

	"github.com/kardianos/service"
)

// nothing is a program for those who only control the service.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }

// registerService makes the program a service of Windows or launchd.
func registerService(program, file string) error {
	s, err := service.New(nothing{}, serviceConfig(program, file))
	if err == nil {
		err = s.Install()
	}
	if errors.Is(err, service.ErrNoServiceSystemDetected) {
		return errNoServiceManager
	}
	return err
}

// controlService does what a sub-command of service is called.
func controlService(action string) error {
	s, err := service.New(nothing{}, serviceConfig("", ""))
	if err == nil {
		err = service.Control(s, action)
	}
	return err
}

// serviceName is the official agents' name of the service.
func serviceName() string {
	if runtime.GOOS == "windows" {
		return "codedeployagent"
	}
	return "codedeploy-agent"
}

// serviceConfig describes the service.
func serviceConfig(program, file string) *service.Config {
	c := &service.Config{
		Name: serviceName(), DisplayName: "CodeDeploy Host Agent", Description: "Agent of AWS CodeDeploy", Executable: program, Arguments: []string{"run"},
		Option: service.KeyValue{
			"OnFailure": "restart", "OnFailureDelayDuration": "5s", "DelayedAutoStart": true, // Windows
			"RunAtLoad": true, // launchd
		},
	}
	if file != "" {
		c.Arguments = append(c.Arguments, "--config-file", file)
	}
	return c
}
