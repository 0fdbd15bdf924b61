package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeAgent does what an agent does, except deploying: it polls, fetches and verifies the specification, acknowledges
// and completes.
type fakeAgent struct {
	host   Host
	caller *caller
	fail   map[string]bool // events that fail, "<deployment> <event>"
	slow   time.Duration

	mu  sync.Mutex
	ran []string // "<deployment> <type> <creator> <event>"
}

func startFakeAgent(t *testing.T, s *Service, name string, fail ...string) *fakeAgent {
	t.Helper()
	a := &fakeAgent{host: Host{ID: "arn:aws:ec2:us-east-1:123456789012:instance/" + name, Name: name}, caller: newCaller(t, s), fail: map[string]bool{}}
	for _, event := range fail {
		a.fail[event] = true
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := a.once(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("fake agent %s: %v", name, err)
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return a
}

func (a *fakeAgent) once(ctx context.Context) error {
	ask := func(operation string, in any) (reply, error) {
		got, err := a.caller.call(ctx, operation, in)
		if err == nil && got.status != 200 {
			err = fmt.Errorf("%s answers %d %s", operation, got.status, got.body)
		}
		return got, err
	}
	polled, err := ask("PollHostCommand", fields{"HostIdentifier": a.host.ID})
	id, ok := polled.field("HostCommand", "HostCommandIdentifier").(string)
	if err != nil || !ok {
		return err
	}
	name := polled.field("HostCommand", "CommandName").(string)
	published, err := ask("GetDeploymentSpecification", fields{"HostIdentifier": a.host.ID,
		"DeploymentExecutionId": polled.field("HostCommand", "DeploymentExecutionId")})
	if err != nil {
		return err
	}
	var spec wireSpec
	payload, _ := published.field("DeploymentSpecification", "GenericEnvelope", "Payload").(string)
	if err := json.Unmarshal([]byte(payload), &spec); err != nil {
		return err
	}
	noop := strings.HasPrefix(name, "Before")
	if _, err := ask("PutHostCommandAcknowledgement", fields{"HostCommandIdentifier": id,
		"Diagnostics": jsonDiagnostics(fmt.Sprintf(`{"IsCommandNoop":%v}`, noop))}); err != nil {
		return err
	}
	time.Sleep(a.slow)
	a.mu.Lock()
	a.ran = append(a.ran, strings.Join([]string{spec.DeploymentId, spec.DeploymentType, spec.DeploymentCreator, name}, " "))
	a.mu.Unlock()
	done := completion(id, "Succeeded", 0, "")
	if a.fail[spec.DeploymentId+" "+name] {
		done = completion(id, "Failed", 4, strings.Repeat("line\n", 20)+"the last line\n")
	}
	_, err = ask("PutHostCommandComplete", done)
	return err
}

func (a *fakeAgent) history() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ran)
}

// fakeBalancer notes what is registered when.
type fakeBalancer struct {
	mu     sync.Mutex
	calls  []string
	refuse string
}

func (b *fakeBalancer) call(what, host string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, name, _ := strings.Cut(host, "/")
	b.calls = append(b.calls, what+" "+name)
	if b.refuse == what+" "+name {
		return errors.New("the target is not healthy")
	}
	return nil
}

func (b *fakeBalancer) Register(_ context.Context, host string) error {
	return b.call("register", host)
}
func (b *fakeBalancer) Deregister(_ context.Context, host string) error {
	return b.call("deregister", host)
}

// testDeployment is published unsigned, so that the fake agent can read it.
func testDeployment(n int) Deployment {
	d := Deployment{Spec: testSpec, Label: fmt.Sprintf("version %d", n), Envelope: PlainText}
	d.Spec.DeploymentID = fmt.Sprintf("d-%d", n)
	return d
}

// timeline is the events of one host, or of all: "<event>:<whose scripts>:<status>".
func timeline(o Outcome, host string) []string {
	var lines []string
	for _, e := range o.Events {
		if e.Host == host {
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s:%s:%s", e.Name, strings.TrimPrefix(e.Revision, "version "), e.Status), ":Succeeded"))
		}
	}
	return lines
}

func checkTimeline(t *testing.T, o Outcome, host, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.Fields(want), timeline(o, host)); diff != "" {
		t.Errorf("timeline of %s (-want +got):\n%s", host, diff)
	}
}

func TestInPlace(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	a := startFakeAgent(t, s, "one")
	var emitted []Event
	w := NewWorkflow(s, nil, func(e Event) { emitted = append(emitted, e) })
	first, err := w.InPlace(context.Background(), testDeployment(1), a.host)
	if err != nil || first.Status != Succeeded || first.Failure() != nil || first.TrafficMoved {
		t.Fatalf("InPlace() = %+v, %v, want Succeeded", first, err)
	}
	checkTimeline(t, first, "one", "ApplicationStop: DownloadBundle:1 BeforeInstall:1 Install:1 AfterInstall:1 ApplicationStart:1 ValidateService:1")
	second, err := w.RollBackInPlace(context.Background(), testDeployment(2), a.host)
	if err != nil || second.Status != Succeeded {
		t.Fatalf("RollBackInPlace() = %+v, %v, want Succeeded", second, err)
	}
	checkTimeline(t, second, "one", "ApplicationStop:1 DownloadBundle:2 BeforeInstall:2 Install:2 AfterInstall:2 ApplicationStart:2 ValidateService:2")
	ran := a.history()
	if got, want := ran[0], "d-1 IN_PLACE user ApplicationStop"; got != want {
		t.Errorf("the host ran %q first, want %q", got, want)
	}
	if got, want := ran[7], "d-2 IN_PLACE codeDeployRollback ApplicationStop"; got != want {
		t.Errorf("the host ran %q eighth, want %q", got, want)
	}
	if diff := cmp.Diff(append(first.Events, second.Events...), emitted); diff != "" {
		t.Errorf("events emitted differ from the outcomes' (-outcome +emitted):\n%s", diff)
	}
	for _, e := range emitted {
		if e.Start.IsZero() || e.Duration <= 0 || e.Noop != strings.HasPrefix(e.Name, "Before") {
			t.Errorf("event = %+v, want a start, a duration, and a no-op for Before...", e)
		}
	}
}

func TestInPlaceWithLoadBalancer(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	a := startFakeAgent(t, s, "one")
	balancer := &fakeBalancer{}
	w := NewWorkflow(s, balancer, nil)
	o, err := w.InPlace(context.Background(), testDeployment(1), a.host)
	if err != nil || o.Status != Succeeded {
		t.Fatalf("InPlace() = %+v, %v, want Succeeded", o, err)
	}
	checkTimeline(t, o, "one", "BeforeBlockTraffic: BlockTraffic: AfterBlockTraffic: ApplicationStop: DownloadBundle:1 BeforeInstall:1 "+
		"Install:1 AfterInstall:1 ApplicationStart:1 ValidateService:1 BeforeAllowTraffic:1 AllowTraffic: AfterAllowTraffic:1")
	if diff := cmp.Diff([]string{"deregister one", "register one"}, balancer.calls); diff != "" {
		t.Errorf("load balancer calls (-want +got):\n%s", diff)
	}
}

func TestFailureStopsTheDeployment(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	a, b := startFakeAgent(t, s, "one", "d-1 AfterInstall"), startFakeAgent(t, s, "two")
	w := NewWorkflow(s, nil, nil)
	d := testDeployment(1)
	d.AtOnce = 1
	o, err := w.InPlace(context.Background(), d, a.host, b.host)
	if err != nil || o.Status != Failed {
		t.Fatalf("InPlace() = %+v, %v, want Failed", o, err)
	}
	checkTimeline(t, o, "one", "ApplicationStop: DownloadBundle:1 BeforeInstall:1 Install:1 AfterInstall:1:Failed ApplicationStart:1:Skipped ValidateService:1:Skipped")
	checkTimeline(t, o, "two", "ApplicationStop::Skipped DownloadBundle:1:Skipped BeforeInstall:1:Skipped Install:1:Skipped AfterInstall:1:Skipped ApplicationStart:1:Skipped ValidateService:1:Skipped")
	f := o.Failure()
	if f == nil || f.Host != "one" || f.Name != "AfterInstall" || f.ErrorCode != 4 || f.Script != "s.sh" || f.Message != "m" {
		t.Errorf("Failure() = %+v, want AfterInstall on one with its diagnostics", f)
	}
	if f != nil && (len(f.Log) != logLines || f.Log[logLines-1] != "the last line") {
		t.Errorf("Failure().Log = %q, want the last %d lines", f.Log, logLines)
	}
	// Install succeeded before the failure, so the host's last successful revision is the failed deployment's.
	if last, recent := w.Installed(a.host, "dg-1"); last != "version 1" || recent != "version 1" {
		t.Errorf("Installed(one) = %q, %q, want version 1 twice", last, recent)
	}
	if last, recent := w.Installed(b.host, "dg-1"); last != "" || recent != "" {
		t.Errorf("Installed(two) = %q, %q, want nothing", last, recent)
	}
}

func TestIgnoredStopFailure(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	a := startFakeAgent(t, s, "one", "d-1 ApplicationStop", "d-2 ApplicationStop", "d-1 Install")
	w := NewWorkflow(s, nil, nil)
	d := testDeployment(1)
	d.IgnoreStopFailures = true
	o, err := w.InPlace(context.Background(), d, a.host)
	if err != nil || o.Status != Failed || o.Failure().Name != "Install" {
		t.Errorf("InPlace() ignoring stop failures = %+v, %v, want a failure of Install", o, err)
	}
	if e := o.Events[0]; e.Status != Failed || !e.Ignored {
		t.Errorf("ApplicationStop = %+v, want a failure that is ignored", e)
	}
	o, err = w.InPlace(context.Background(), testDeployment(2), a.host)
	if err != nil || o.Status != Failed || o.Failure().Name != "ApplicationStop" {
		t.Errorf("InPlace() = %+v, %v, want a failure of ApplicationStop", o, err)
	}
}

func TestBlueGreen(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	var blue, green []Host
	for _, name := range []string{"blue-1", "blue-2"} {
		blue = append(blue, startFakeAgent(t, s, name).host)
	}
	for _, name := range []string{"green-1", "green-2"} {
		green = append(green, startFakeAgent(t, s, name).host)
	}
	balancer := &fakeBalancer{}
	w := NewWorkflow(s, balancer, nil)
	if o, err := NewWorkflow(s, nil, nil).InPlace(context.Background(), testDeployment(9), blue...); err != nil || o.Status != Succeeded {
		t.Fatalf("InPlace() = %+v, %v, want Succeeded", o, err)
	}
	if o, err := w.InPlace(context.Background(), testDeployment(1), blue...); err != nil || o.Status != Succeeded {
		t.Fatalf("InPlace() = %+v, %v, want Succeeded", o, err)
	}
	balancer.calls = nil
	d := testDeployment(2)
	d.AtOnce = 1
	o, err := w.BlueGreen(context.Background(), d, blue, green)
	if err != nil || o.Status != Succeeded || !o.TrafficMoved {
		t.Fatalf("BlueGreen() = %+v, %v, want Succeeded with traffic moved", o, err)
	}
	for _, host := range green {
		checkTimeline(t, o, host.Name, "ApplicationStop: DownloadBundle:2 BeforeInstall:2 Install:2 AfterInstall:2 ApplicationStart:2 "+
			"ValidateService:2 BeforeAllowTraffic:2 AllowTraffic: AfterAllowTraffic:2")
	}
	for _, host := range blue {
		checkTimeline(t, o, host.Name, "BeforeBlockTraffic:1 BlockTraffic: AfterBlockTraffic:1")
	}
	if diff := cmp.Diff([]string{"register green-1", "register green-2", "deregister blue-1", "deregister blue-2"}, balancer.calls); diff != "" {
		t.Errorf("load balancer calls (-want +got):\n%s", diff)
	}
	// No green host gets traffic before every green host is validated.
	validated := 0
	for _, e := range o.Events {
		switch {
		case e.Name == "ValidateService":
			validated++
		case e.Name == "BeforeAllowTraffic" && validated < len(green):
			t.Errorf("%s began %s when %d of %d green hosts were validated", e.Host, e.Name, validated, len(green))
		}
	}

	// The way back: a new deployment, nothing installed, whose scripts differ by side.
	balancer.calls = nil
	back, err := w.RollBack(context.Background(), testDeployment(3), blue, green)
	if err != nil || back.Status != Succeeded {
		t.Fatalf("RollBack() = %+v, %v, want Succeeded", back, err)
	}
	for _, host := range blue {
		checkTimeline(t, back, host.Name, "BeforeAllowTraffic:1 AllowTraffic: AfterAllowTraffic:1")
	}
	for _, host := range green {
		checkTimeline(t, back, host.Name, "BeforeBlockTraffic:2 BlockTraffic: AfterBlockTraffic:2")
	}
	slices.Sort(balancer.calls)
	if diff := cmp.Diff([]string{"deregister green-1", "deregister green-2", "register blue-1", "register blue-2"}, balancer.calls); diff != "" {
		t.Errorf("load balancer calls of the rollback (-want +got):\n%s", diff)
	}
}

// On a green host whose Install never succeeded, the traffic hooks of a rollback come from what was downloaded last.
func TestRollBackUsesMostRecent(t *testing.T) {
	t.Parallel()
	i := &installed{lastSuccessful: "version 1", mostRecent: "version 2", archives: map[string]bool{"d-2": true}}
	rollback := testDeployment(3)
	rollback.Spec.Type, rollback.Spec.Creator = TypeBlueGreen, CreatorRollback
	forward := testDeployment(3)
	forward.Spec.Type, forward.Spec.Creator = TypeBlueGreen, CreatorUser
	for _, test := range []struct{ event, rollback, forward string }{
		{"BeforeBlockTraffic", "version 2", "version 1"},
		{"AfterBlockTraffic", "version 2", "version 1"},
		{"ApplicationStop", "version 1", "version 1"},
		{"BeforeAllowTraffic", "version 1", "version 3"},
		{"AfterAllowTraffic", "version 1", "version 3"},
		{"BeforeInstall", "version 3", "version 3"},
		{"BlockTraffic", "", ""},
	} {
		if got := i.whose(test.event, rollback); got != test.rollback {
			t.Errorf("whose(%s, rollback) = %q, want %q", test.event, got, test.rollback)
		}
		if got := i.whose(test.event, forward); got != test.forward {
			t.Errorf("whose(%s) = %q, want %q", test.event, got, test.forward)
		}
	}
}

func TestBlueGreenFailureMovesNoTraffic(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	blue := startFakeAgent(t, s, "blue")
	good, bad := startFakeAgent(t, s, "green-1"), startFakeAgent(t, s, "green-2", "d-1 ValidateService")
	balancer := &fakeBalancer{}
	o, err := NewWorkflow(s, balancer, nil).BlueGreen(context.Background(), testDeployment(1), []Host{blue.host}, []Host{good.host, bad.host})
	if err != nil || o.Status != Failed || o.TrafficMoved || len(balancer.calls) > 0 {
		t.Errorf("BlueGreen() = %s, moved %v, calls %q, %v, want Failed without any traffic", o.Status, o.TrafficMoved, balancer.calls, err)
	}
	if ran := blue.history(); len(ran) > 0 {
		t.Errorf("blue ran %q, want nothing", ran)
	}
	checkTimeline(t, o, "blue", "BeforeBlockTraffic::Skipped BlockTraffic::Skipped AfterBlockTraffic::Skipped")
}

func TestUnhealthyTargetFailsAllowTraffic(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	blue, green := startFakeAgent(t, s, "blue"), startFakeAgent(t, s, "green")
	balancer := &fakeBalancer{refuse: "register green"}
	o, err := NewWorkflow(s, balancer, nil).BlueGreen(context.Background(), testDeployment(1), []Host{blue.host}, []Host{green.host})
	if err != nil || o.Status != Failed || o.TrafficMoved {
		t.Fatalf("BlueGreen() = %+v, %v, want Failed without traffic moved", o, err)
	}
	if f := o.Failure(); f.Name != "AllowTraffic" || f.Message != "the target is not healthy" {
		t.Errorf("Failure() = %+v, want AllowTraffic's", f)
	}
}

func TestWorkflowErrors(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	host := []Host{{ID: "nobody"}}
	w := NewWorkflow(s, nil, nil)
	if _, err := w.BlueGreen(context.Background(), testDeployment(1), nil, nil); err == nil ||
		!strings.Contains(err.Error(), "load balancer") || !strings.Contains(err.Error(), "original") || !strings.Contains(err.Error(), "replacement") {
		t.Errorf("BlueGreen() of nothing = %v, want every problem named", err)
	}
	if _, err := w.InPlace(context.Background(), Deployment{}, host...); err == nil {
		t.Error("InPlace() without a revision = nil error, want one")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	o, err := w.InPlace(ctx, testDeployment(1), host...)
	if !errors.Is(err, context.DeadlineExceeded) || o.Status != Failed {
		t.Errorf("InPlace() on a host without an agent = %+v, %v, want the context's error", o, err)
	}
}
