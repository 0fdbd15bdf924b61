package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// LoadBalancer is what AllowTraffic and BlockTraffic talk to. Hosts are named by their HostIdentifier.
type LoadBalancer interface {
	// Register sends traffic to a host. It returns when the host takes traffic, or why it does not.
	Register(ctx context.Context, host string) error
	// Deregister takes a host out of the traffic. It returns when the host has answered what it had begun.
	Deregister(ctx context.Context, host string) error
}

// Host is a host that takes part in deployments.
type Host struct {
	// ID is its HostIdentifier, Name what people call it; empty means ID.
	ID, Name string
}

func (h Host) name() string { return or(h.Name, h.ID) }

// Deployment is a deployment to be played.
type Deployment struct {
	// Spec says what hosts are told. Its Creator and Type are set by the kind of deployment that is played.
	Spec SpecOptions
	// Label is what people call the revision, for example "version 2"; empty means the deployment's id.
	Label string
	// Envelope publishes the specification in another way than the service does.
	Envelope Envelope
	// IgnoreStopFailures goes on after a failed ApplicationStop, BeforeBlockTraffic or AfterBlockTraffic, as the option
	// ignoreApplicationStopFailures does.
	IgnoreStopFailures bool
	// AtOnce is how many hosts are worked on at a time; zero means all.
	AtOnce int
}

func (d Deployment) label() string { return or(d.Label, d.Spec.DeploymentID) }

// Outcome is how a deployment went.
type Outcome struct {
	DeploymentID string
	// Status is Succeeded or Failed.
	Status EventStatus
	// Events is the timeline in the order in which events ended.
	Events []Event
	// TrafficMoved tells whether any replacement host got traffic (blue/green), or any original got it back (rollback).
	TrafficMoved bool
	Start        time.Time
	Duration     time.Duration
}

// Failure is the event that failed the deployment, nil if none did.
func (o Outcome) Failure() *Event {
	for i, e := range o.Events {
		if e.Status == Failed && !e.Ignored {
			return &o.Events[i]
		}
	}
	return nil
}

// Workflow plays deployments as the service does. It remembers what each host has installed, so all deployments of a
// rehearsal go through one Workflow; they may run at the same time.
type Workflow struct {
	service  *Service
	balancer LoadBalancer
	onEvent  func(Event)

	mu    sync.Mutex
	hosts map[[2]string]*installed // by host and deployment group
}

// NewWorkflow makes a Workflow. Balancer may be nil for deployments without a load balancer. OnEvent may be nil; it is
// called for every event of the timeline, one call at a time.
func NewWorkflow(service *Service, balancer LoadBalancer, onEvent func(Event)) *Workflow {
	return &Workflow{service: service, balancer: balancer, onEvent: onEvent, hosts: map[[2]string]*installed{}}
}

// ExecutionID is the DeploymentExecutionId under which a deployment's specification is published. The real form is not
// documented beyond the model's pattern of four parts; it holds the deployment's id.
func (s *Service) ExecutionID(deploymentID string) string {
	return fmt.Sprintf("arn:aws:codedeploy:%s:%s:deployment/%s/CodeDeploy/%s",
		s.options.Region, s.options.Account, deploymentID, deploymentID)
}

// InPlace deploys to hosts in place; with a load balancer, each host is taken out of the traffic meanwhile.
//
// A deployment that fails is an Outcome, not an error: errors are what keeps a deployment from being played.
func (w *Workflow) InPlace(ctx context.Context, d Deployment, hosts ...Host) (Outcome, error) {
	d.Spec.Creator, d.Spec.Type = or(d.Spec.Creator, CreatorUser), TypeInPlace
	events := installEvents
	if w.balancer != nil {
		events = slices.Concat(blockEvents, installEvents, allowEvents)
	}
	return w.play(ctx, d, phase{hosts, events})
}

// BlueGreen installs on the green hosts, moves the traffic to them and takes it from the blue ones. When installing or
// validating fails on a green host, the traffic stays where it is.
func (w *Workflow) BlueGreen(ctx context.Context, d Deployment, blue, green []Host) (Outcome, error) {
	d.Spec.Creator, d.Spec.Type = or(d.Spec.Creator, CreatorUser), TypeBlueGreen
	if err := w.checkSets(d, blue, green); err != nil {
		return Outcome{}, err
	}
	return w.play(ctx, d, phase{green, installEvents}, phase{green, allowEvents}, phase{blue, blockEvents})
}

// RollBackInPlace is the rollback of an in-place deployment: d deploys the last good revision under a new id.
func (w *Workflow) RollBackInPlace(ctx context.Context, d Deployment, hosts ...Host) (Outcome, error) {
	d.Spec.Creator = CreatorRollback
	return w.InPlace(ctx, d, hosts...)
}

// RollBack is the rollback of a blue/green deployment whose traffic had moved: a new deployment, with a new id, that
// gives the traffic back to the blue hosts and takes it from the green ones. Nothing is installed.
func (w *Workflow) RollBack(ctx context.Context, d Deployment, blue, green []Host) (Outcome, error) {
	d.Spec.Creator, d.Spec.Type = CreatorRollback, TypeBlueGreen
	if err := w.checkSets(d, blue, green); err != nil {
		return Outcome{}, err
	}
	return w.play(ctx, d, phase{blue, allowEvents}, phase{green, blockEvents})
}

func (w *Workflow) checkSets(d Deployment, blue, green []Host) error {
	var problems []error
	if w.balancer == nil {
		problems = append(problems, errors.New("it needs a load balancer"))
	}
	if len(blue) == 0 {
		problems = append(problems, errors.New("it needs an original host"))
	}
	if len(green) == 0 {
		problems = append(problems, errors.New("it needs a replacement host"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("cannot play blue/green deployment %s: %w", d.Spec.DeploymentID, err)
	}
	return nil
}

// phase is a part of a deployment: events for each of some hosts. The next begins when all hosts are through.
type phase struct {
	hosts  []Host
	events []string
}

// performance is one deployment being played.
type performance struct {
	workflow    *Workflow
	deployment  Deployment
	executionID string

	mu      sync.Mutex // also keeps calls of onEvent apart
	outcome Outcome
	failed  bool
	broken  error // what kept the deployment from being played on
}

func (w *Workflow) play(ctx context.Context, d Deployment, phases ...phase) (Outcome, error) {
	now := w.service.clock.Now
	p := &performance{workflow: w, deployment: d, executionID: w.service.ExecutionID(d.Spec.DeploymentID),
		outcome: Outcome{DeploymentID: d.Spec.DeploymentID, Start: now()}}
	spec, err := d.Spec.JSON()
	if err == nil {
		err = w.service.Publish(p.executionID, spec, d.Envelope)
	}
	if err != nil {
		return Outcome{}, err
	}
	for _, phase := range phases {
		p.run(ctx, phase)
	}
	p.outcome.Status = Succeeded
	if p.failed {
		p.outcome.Status = Failed
	}
	p.outcome.Duration = now().Sub(p.outcome.Start)
	return p.outcome, p.broken
}

// run plays one phase. Once an event has failed, hosts end the event they are at and skip the rest.
func (p *performance) run(ctx context.Context, phase phase) {
	atOnce := p.deployment.AtOnce
	if atOnce <= 0 {
		atOnce = len(phase.hosts)
	}
	slots := make(chan struct{}, max(atOnce, 1))
	var all sync.WaitGroup
	for _, host := range phase.hosts {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			for _, event := range phase.events {
				p.one(ctx, host, event)
			}
		})
	}
	all.Wait()
}

// one plays one event on one host.
func (p *performance) one(ctx context.Context, host Host, name string) {
	d := p.deployment
	state := p.workflow.installed(host, d)
	p.workflow.mu.Lock()
	revision := state.whose(name, d)
	p.workflow.mu.Unlock()
	p.mu.Lock()
	failed := p.failed
	p.mu.Unlock()
	if failed {
		p.add(Event{DeploymentID: d.Spec.DeploymentID, Host: host.name(), Name: name, Revision: revision, Status: Skipped, ErrorCode: -1})
		return
	}
	var result Result
	var err error
	switch name {
	case allowTraffic, blockTraffic:
		result = p.traffic(ctx, host, name)
	default:
		result, err = p.command(ctx, host, name)
	}
	if result.Succeeded() {
		p.workflow.mu.Lock()
		state.note(name, d)
		p.workflow.mu.Unlock()
	}
	event := eventOf(d.Spec.DeploymentID, host.name(), name, revision, result)
	event.Ignored = event.Status == Failed && d.IgnoreStopFailures && err == nil &&
		slices.Contains([]string{"ApplicationStop", "BeforeBlockTraffic", "AfterBlockTraffic"}, name)
	if err != nil {
		p.mu.Lock()
		p.broken = errors.Join(p.broken, err)
		p.mu.Unlock()
	}
	p.add(event)
}

// command has the host run an event. A context that ends is an error and a failed event.
func (p *performance) command(ctx context.Context, host Host, name string) (Result, error) {
	command, err := p.workflow.service.Queue(CommandOptions{Name: name, Host: host.ID, ExecutionID: p.executionID})
	if err != nil {
		return Result{Status: statusFailed, ErrorCode: -1, Message: err.Error()}, err
	}
	result, err := command.Wait(ctx)
	if err != nil {
		result.Status, result.Message = statusFailed, err.Error()
		result.Duration = p.workflow.service.clock.Now().Sub(result.Queued)
	}
	return result, err
}

// traffic is AllowTraffic or BlockTraffic.
func (p *performance) traffic(ctx context.Context, host Host, name string) Result {
	now := p.workflow.service.clock.Now
	result := Result{Status: statusSucceeded, ErrorCode: -1, Queued: now()}
	change := p.workflow.balancer.Register
	if name == blockTraffic {
		change = p.workflow.balancer.Deregister
	}
	if err := change(ctx, host.ID); err != nil {
		result.Status, result.Message = statusFailed, err.Error()
	} else if name == allowTraffic {
		p.mu.Lock()
		p.outcome.TrafficMoved = p.outcome.TrafficMoved || p.deployment.Spec.Type == TypeBlueGreen
		p.mu.Unlock()
	}
	result.Ended = now()
	result.Duration = result.Ended.Sub(result.Queued)
	return result
}

func (p *performance) add(event Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outcome.Events = append(p.outcome.Events, event)
	if event.Status == Failed && !event.Ignored {
		p.failed = true
	}
	if p.workflow.onEvent != nil {
		p.workflow.onEvent(event)
	}
}

// installed returns what is known of a host and the deployment's group.
func (w *Workflow) installed(host Host, d Deployment) *installed {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := [2]string{host.ID, d.Spec.GroupID}
	if w.hosts[key] == nil {
		w.hosts[key] = &installed{archives: map[string]bool{}}
	}
	return w.hosts[key]
}

// Installed tells which revisions a host has of a deployment group, by their labels: the one the next ApplicationStop
// will use, and the one that was downloaded last. They are empty when there is none.
func (w *Workflow) Installed(host Host, groupID string) (lastSuccessful, mostRecent string) {
	state := w.installed(host, Deployment{Spec: SpecOptions{GroupID: groupID}})
	w.mu.Lock()
	defer w.mu.Unlock()
	return state.lastSuccessful, state.mostRecent
}
