package lint

import (
	"slices"
	"strings"
	"time"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/spelling"
)

// Deployment is a type of deployment, which decides what events there are.
type Deployment string

// The types of deployment. With AnyDeployment nothing is known of it.
const (
	AnyDeployment       Deployment = "any"
	InPlace             Deployment = "in-place"
	InPlaceLoadBalancer Deployment = "in-place-load-balancer"
	BlueGreen           Deployment = "blue-green"
)

// maxEvent is what the service gives an event (AWS user guide).
const maxEvent = 3600 * time.Second

// The events that scripts are looked at for.
const (
	applicationStop  = "ApplicationStop"
	beforeInstall    = "BeforeInstall"
	applicationStart = "ApplicationStart"
	validateService  = "ValidateService"
)

// events are those that scripts can be named for, in the order of an in-place deployment.
var events = []string{
	"BeforeBlockTraffic", "AfterBlockTraffic", applicationStop, beforeInstall, "AfterInstall", applicationStart, validateService,
	"BeforeAllowTraffic", "AfterAllowTraffic",
}

// Events returns the names of the events that scripts can be named for, in the order of an in-place deployment.
func Events() []string { return slices.Clone(events) }

// runs says whether the service sends an event to hosts at all.
func runs(event string) bool { return slices.Contains(events, event) }

// traffic says whether only deployments with a load balancer have an event.
func traffic(event string) bool { return strings.HasSuffix(event, "Traffic") }

// reserved are the events of the agent and the service, and what to use instead.
var reserved = map[string]string{
	"DownloadBundle": "use BeforeInstall, which runs after it", "Install": "use BeforeInstall or AfterInstall",
	"BlockTraffic": "use BeforeBlockTraffic or AfterBlockTraffic", "AllowTraffic": "use BeforeAllowTraffic or AfterAllowTraffic",
	"Start": "use ApplicationStart", "End": "use ValidateService",
}

// elsewhereEvents are those of ECS and Lambda deployments that hosts do not have.
var elsewhereEvents = []string{"AfterAllowTestTraffic", "BeforeAllowTestTraffic", "AllowTestTraffic"}

// meant are names that people write and what they mean.
var meant = map[string]string{
	"AfterDeploy": "AfterInstall", "BeforeDeploy": "BeforeInstall", "PreInstall": "BeforeInstall", "PostInstall": "AfterInstall",
	"ApplicationRestart": "ApplicationStart", "ApplicationReload": "ApplicationStart", "VerifyApplication": "ValidateService",
	"StartApplication": "ApplicationStart", "StopApplication": "ApplicationStop", "StartServer": "ApplicationStart", "StopServer": "ApplicationStop",
	"Validate": "ValidateService", "HealthCheck": "ValidateService", "ApplicationValidate": "ValidateService",
}

// eventNames tells of events whose scripts will not run.
func (c *checker) eventNames(file string, a *appspec.AppSpec) {
	var traffics []appspec.Hook
	for _, h := range a.Hooks {
		at := h.At("")
		switch instead, isReserved := reserved[h.Event]; {
		case isReserved:
			c.at(file, at, ruleReservedEvent, instead, "scripts of %s never run: it belongs to the agent or the service", h.Event)
		case slices.Contains(elsewhereEvents, h.Event):
			c.at(file, at, ruleECSEvent, "use ValidateService or AfterAllowTraffic", "scripts of %s never run: it is an event of ECS deployments", h.Event)
		case !runs(h.Event):
			hint := "the events are " + strings.Join(events, ", ")
			if near := intended(h.Event); near != "" {
				hint = "did you mean " + near + "?"
			}
			c.at(file, at, ruleUnknownEvent, hint, "there is no lifecycle event %q; its scripts never run", clip(h.Event))
		case traffic(h.Event):
			traffics = append(traffics, h)
		}
	}
	c.unbalanced(file, traffics)
}

// intended returns the event that was perhaps meant.
func intended(event string) string {
	if name := meant[event]; name != "" {
		return name
	}
	return spelling.Nearest(event, slices.Concat(events, elsewhereEvents))
}

// unbalanced tells of events that only deployments with a load balancer have.
func (c *checker) unbalanced(file string, hooks []appspec.Hook) {
	switch c.o.Deployment {
	case InPlaceLoadBalancer, BlueGreen:
	case InPlace:
		for _, h := range hooks {
			c.at(file, h.At(""), ruleNeverRuns, "deploy with a load balancer, or move the scripts to ApplicationStop or ValidateService",
				"%s never runs in an in-place deployment without a load balancer", h.Event)
		}
	default:
		if len(hooks) == 0 {
			return
		}
		names := make([]string, 0, len(hooks))
		for _, h := range hooks {
			names = append(names, h.Event)
		}
		verb := "run"
		if len(names) == 1 {
			verb = "runs"
		}
		at := hooks[0].At("")
		c.add(Problem{File: file, Line: at.Line, Column: at.Column, Rule: ruleNeverRuns, Severity: Info, Hint: "say which type you deploy with --deployment-type",
			Message: strings.Join(names, ", ") + " " + verb + " only in deployments with a load balancer"})
	}
}

// timeouts tells of events that may take longer than the service waits.
func (c *checker) timeouts(file string, a *appspec.AppSpec) {
	for _, h := range a.Hooks {
		var sum time.Duration
		var long, unset int
		for _, s := range h.Scripts {
			sum += min(s.Timeout, 100*maxEvent) // no overflow
			if !s.Has("timeout") {
				unset++
			}
			if s.Timeout > maxEvent {
				long++
				c.at(file, s.At("timeout"), ruleLongTimeout, "write 3600 or less", "a timeout of %.0f seconds: the service ends an event after %.0f",
					s.Timeout.Seconds(), maxEvent.Seconds())
			}
		}
		if sum <= maxEvent || long > 0 {
			continue
		}
		note := ""
		switch {
		case unset == 1:
			note = "; one of them has no timeout, which counts as 3600"
		case unset > 1:
			note = "; those that have no timeout count as 3600 each"
		}
		c.at(file, h.At(""), ruleTimeoutSum, "give each script a timeout so that the sum is at most 3600",
			"the %d scripts of %s may take %.0f seconds together, and the service ends an event after %.0f%s",
			len(h.Scripts), h.Event, sum.Seconds(), maxEvent.Seconds(), note)
	}
}
