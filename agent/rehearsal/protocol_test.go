package rehearsal

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestOneCommand plays an agent by hand: poll, specification, acknowledgement, completion.
func TestOneCommand(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: time.Minute})
	execution := s.ExecutionID("d-TEST00001")
	if len(execution) > 129 || strings.Count(execution, "/") != 3 {
		t.Errorf("ExecutionID() = %q, want at most 129 characters in four parts", execution)
	}
	if err := s.Publish(execution, []byte(`{"DeploymentId":"d-TEST00001"}`), PlainText); err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, s)
	// The poll is held, and answered as soon as there is a command.
	go func() {
		_ = s.WaitFor(context.Background(), func(r []Request) bool { return len(r) == 1 })
		_, _ = s.Queue(CommandOptions{ID: "hc-1", Name: "Install", Host: testHost, ExecutionID: execution})
	}()
	polled := c.must(t, "PollHostCommand", fields{"HostIdentifier": testHost})
	for name, want := range map[string]any{"HostCommandIdentifier": "hc-1", "HostIdentifier": testHost,
		"DeploymentExecutionId": execution, "CommandName": "Install"} {
		if got := polled.field("HostCommand", name); got != want {
			t.Errorf("HostCommand.%s = %v, want %v", name, got, want)
		}
	}
	command := s.queue.find("hc-1")
	spec := c.must(t, "GetDeploymentSpecification", fields{"DeploymentExecutionId": execution, "HostIdentifier": testHost})
	if got := spec.field("DeploymentSystem"); got != "CodeDeploy" {
		t.Errorf("DeploymentSystem = %v, want CodeDeploy", got)
	}
	if got := spec.field("DeploymentSpecification", "GenericEnvelope", "Format"); got != "TEXT/JSON" {
		t.Errorf("Format = %v, want TEXT/JSON", got)
	}
	acked := c.must(t, "PutHostCommandAcknowledgement", fields{"HostCommandIdentifier": "hc-1",
		"Diagnostics": jsonDiagnostics(`{"IsCommandNoop":false}`)})
	if got := acked.field("CommandStatus"); got != "InProgress" {
		t.Errorf("acknowledgement answers %v, want InProgress", got)
	}
	c.must(t, "PostHostCommandUpdate", fields{"HostCommandIdentifier": "hc-1", "EstimatedCompletionTime": "2026-11-24T12:00:00Z"})
	c.must(t, "PutHostCommandComplete", completion("hc-1", "Failed", 4, "one\ntwo"))
	c.must(t, "PutHostCommandComplete", completion("hc-1", "Succeeded", 0, ""))
	result, err := command.Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if result.Status != "Failed" || result.ErrorCode != 4 || result.ScriptName != "s.sh" || result.Message != "m" || result.Log != "one\ntwo" {
		t.Errorf("Result() = %+v, want the first completion's", result)
	}
	if !result.Acked || result.Noop || result.Acks != 1 || result.Duration <= 0 {
		t.Errorf("Result() = %+v, want one acknowledgement, no no-op, a duration", result)
	}
	if got := command.Result().Completions; got != 2 {
		t.Errorf("Completions = %d, want 2", got)
	}
	late := c.must(t, "PutHostCommandAcknowledgement", fields{"HostCommandIdentifier": "hc-1"})
	if got := late.field("CommandStatus"); got != "Failed" {
		t.Errorf("an acknowledgement after the end answers %v, want Failed", got)
	}
	var operations []string
	for _, r := range s.Requests() {
		operations = append(operations, r.Operation)
		if r.Status != http.StatusOK || r.Duration <= 0 || r.SigningName != "codedeploy-commands" || r.AgentVersion != "2.1.0" {
			t.Errorf("record of %s = %+v, want status 200, duration, signing name and version", r.Operation, r)
		}
	}
	if got, want := strings.Join(operations, " "), "PollHostCommand GetDeploymentSpecification PutHostCommandAcknowledgement "+
		"PostHostCommandUpdate PutHostCommandComplete PutHostCommandComplete PutHostCommandAcknowledgement"; got != want {
		t.Errorf("Requests() = %s, want %s", got, want)
	}
	if got := len(s.Requests("PutHostCommandComplete")); got != 2 {
		t.Errorf("Requests(complete) has %d, want 2", got)
	}
	if got := s.Requests("PutHostCommandComplete")[0].Command(); got != "hc-1" {
		t.Errorf("Command() = %q, want hc-1", got)
	}
}

func TestEmptyPollIsHeld(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: 50 * time.Millisecond})
	begin := time.Now()
	got := newCaller(t, s).must(t, "PollHostCommand", fields{"HostIdentifier": testHost})
	if held := time.Since(begin); held < 50*time.Millisecond {
		t.Errorf("an empty poll was held %v, want 50ms or more", held)
	}
	if string(got.body) != "{}" {
		t.Errorf("an empty poll answers %s, want {}", got.body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: time.Millisecond, Credentials: map[string]string{"ASIATEST": "secret"}})
	mustQueue(t, s, CommandOptions{ID: "hc-1", Name: "Install", Host: testHost, ExecutionID: "published"})
	if err := s.Publish("published", []byte("{}"), Signed); err != nil {
		t.Fatal(err)
	}
	poll := fields{"HostIdentifier": testHost}
	tests := []struct {
		name, operation, want string
		in                    any
		change                func(*caller)
	}{
		{name: "no signature", operation: "PollHostCommand", in: poll, want: "ClientException", change: func(c *caller) {
			c.change = func(r *http.Request) { r.Header.Del("Authorization") }
		}},
		{name: "not a signature", operation: "PollHostCommand", in: poll, want: "ClientException", change: func(c *caller) {
			c.change = func(r *http.Request) { r.Header.Set("Authorization", "Basic abc") }
		}},
		{name: "signed for another service", operation: "PollHostCommand", in: poll, want: "ClientException",
			change: func(c *caller) { c.signFor = "codedeploy" }},
		{name: "unknown key", operation: "PollHostCommand", in: poll, want: "UnrecognizedClientException",
			change: func(c *caller) { c.accessKey = "ASIAOTHER" }},
		{name: "wrong secret", operation: "PollHostCommand", in: poll, want: "InvalidSignatureException",
			change: func(c *caller) { c.secret = "guess" }},
		{name: "content type", operation: "PollHostCommand", in: poll, want: "ClientException", change: func(c *caller) {
			c.change = func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
		}},
		{name: "unknown operation", operation: "DropTables", in: poll, want: "UnknownOperationException"},
		{name: "unknown prefix", operation: "PollHostCommand", in: poll, want: "UnknownOperationException",
			change: func(c *caller) { c.prefix = "CodeDeploy_20141006" }},
		{name: "no JSON", operation: "PollHostCommand", in: "{", want: "SerializationException"},
		{name: "wrong type", operation: "PollHostCommand", in: `{"HostIdentifier":1}`, want: "SerializationException"},
		{name: "no host", operation: "PollHostCommand", in: fields{}, want: "ClientException"},
		{name: "unknown execution", operation: "GetDeploymentSpecification", in: fields{"HostIdentifier": testHost, "DeploymentExecutionId": "x"}, want: "ClientException"},
		{name: "host not in deployment", operation: "GetDeploymentSpecification", in: fields{"HostIdentifier": "x", "DeploymentExecutionId": "published"}, want: "ClientException"},
		{name: "acknowledge unknown", operation: "PutHostCommandAcknowledgement", in: fields{"HostCommandIdentifier": "x"}, want: "ClientException"},
		{name: "acknowledge without JSON", operation: "PutHostCommandAcknowledgement", in: fields{"HostCommandIdentifier": "hc-1", "Diagnostics": jsonDiagnostics("yes")}, want: "ClientException"},
		{name: "update unknown", operation: "PostHostCommandUpdate", in: fields{"HostCommandIdentifier": "x"}, want: "ClientException"},
		{name: "update with no time", operation: "PostHostCommandUpdate", in: fields{"HostCommandIdentifier": "hc-1", "EstimatedCompletionTime": "soon"}, want: "ClientException"},
		{name: "complete unknown", operation: "PutHostCommandComplete", in: completion("x", "Succeeded", 0, ""), want: "ClientException"},
		{name: "complete as Done", operation: "PutHostCommandComplete", in: completion("hc-1", "Done", 0, ""), want: "ClientException"},
		{name: "payload too long", operation: "PutHostCommandComplete", in: completion("hc-1", "Failed", 0, strings.Repeat("x", 8192)), want: "ClientException"},
		{name: "no format", operation: "PutHostCommandComplete", in: fields{"HostCommandIdentifier": "hc-1", "CommandStatus": "Failed", "Diagnostics": fields{"Payload": "{}"}}, want: "ClientException"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, s)
			if test.change != nil {
				test.change(c)
			}
			got, err := c.call(context.Background(), test.operation, test.in)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != http.StatusBadRequest || got.kind() != test.want {
				t.Errorf("%s = %d %s, want 400 %s", test.operation, got.status, got.body, test.want)
			}
		})
	}
	t.Run("well signed", func(t *testing.T) {
		t.Parallel()
		newCaller(t, s).must(t, "PollHostCommand", fields{"HostIdentifier": "somebody else"})
	})
	t.Run("auth policy form", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, s)
		c.prefix, c.signFor = "CodeDeployCommandService", "codedeploy-commands-secure"
		c.must(t, "PollHostCommand", fields{"HostIdentifier": "somebody else"})
	})
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: time.Millisecond, Redeliver: 400 * time.Millisecond})
	c := newCaller(t, s)
	poll := func() any {
		return c.must(t, "PollHostCommand", fields{"HostIdentifier": testHost}).field("HostCommand", "HostCommandIdentifier")
	}
	ack := func(id string) {
		c.must(t, "PutHostCommandAcknowledgement", fields{"HostCommandIdentifier": id})
	}
	mustQueue(t, s, CommandOptions{ID: "hc-once", Host: testHost})
	mustQueue(t, s, CommandOptions{ID: "hc-other", Host: "another host"})
	if got := poll(); got != "hc-once" {
		t.Fatalf("first poll = %v, want hc-once", got)
	}
	if got := poll(); got != nil {
		t.Errorf("second poll = %v, want nothing: it was just delivered", got)
	}
	time.Sleep(500 * time.Millisecond)
	if got := poll(); got != "hc-once" {
		t.Errorf("poll without an acknowledgement = %v, want hc-once again", got)
	}
	ack("hc-once")
	time.Sleep(500 * time.Millisecond)
	if got := poll(); got != nil {
		t.Errorf("poll after the acknowledgement = %v, want nothing", got)
	}
	twice := mustQueue(t, s, CommandOptions{ID: "hc-twice", Host: testHost, Deliveries: 2, AckStatus: "Succeeded"})
	if got := poll(); got != "hc-twice" {
		t.Errorf("poll = %v, want hc-twice", got)
	}
	ack("hc-twice")
	if got := poll(); got != "hc-twice" {
		t.Errorf("poll = %v, want hc-twice delivered again", got)
	}
	if got := poll(); got != nil {
		t.Errorf("poll = %v, want nothing", got)
	}
	s.DeliverAgain(twice)
	if got := poll(); got != "hc-twice" {
		t.Errorf("poll = %v, want hc-twice a third time", got)
	}
	if got := poll(); got != nil {
		t.Errorf("poll = %v, want nothing", got)
	}
	if got := twice.Result().Deliveries; got != 3 {
		t.Errorf("Deliveries = %d, want 3", got)
	}
	if _, err := s.Queue(CommandOptions{ID: "hc-twice", Host: testHost}); err == nil {
		t.Error("Queue() of a known identifier = nil error, want one")
	}
}

// A poll whose caller has gone must not take a command with it.
func TestGoneCallerTakesNothing(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: time.Minute, Redeliver: time.Hour})
	c := newCaller(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = c.call(ctx, "PollHostCommand", fields{"HostIdentifier": testHost})
	}()
	if err := s.WaitFor(context.Background(), func(r []Request) bool { return len(r) == 1 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-gone
	if err := s.WaitFor(context.Background(), func(r []Request) bool { return r[0].Duration > 0 }); err != nil {
		t.Fatal(err)
	}
	mustQueue(t, s, CommandOptions{ID: "hc-1", Host: testHost})
	if got := c.must(t, "PollHostCommand", fields{"HostIdentifier": testHost}).field("HostCommand", "HostCommandIdentifier"); got != "hc-1" {
		t.Errorf("poll = %v, want hc-1", got)
	}
}

func TestAckAnswers(t *testing.T) {
	t.Parallel()
	noop := fields{"HostCommandIdentifier": "hc-1", "Diagnostics": jsonDiagnostics(`{"IsCommandNoop":true}`)}
	tests := []struct {
		name     string
		endNoops bool
		answer   string
		want     any
		ended    bool
	}{
		{"as it is", false, "", "InProgress", false},
		{"no-ops are ended", true, "", "Succeeded", true},
		{"ordered status", false, "Failed", "Failed", false},
		{"no status", false, "none", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newTestService(t, Options{EndNoops: test.endNoops})
			command := mustQueue(t, s, CommandOptions{ID: "hc-1", Host: testHost, AckStatus: test.answer})
			if got := newCaller(t, s).must(t, "PutHostCommandAcknowledgement", noop).field("CommandStatus"); got != test.want {
				t.Errorf("CommandStatus = %v, want %v", got, test.want)
			}
			result := command.Result()
			if !result.Noop || result.Succeeded() != test.ended {
				t.Errorf("Result() = %+v, want a no-op, ended %v", result, test.ended)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{StartLimit: 600 * time.Millisecond, EventLimit: 700 * time.Millisecond})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ignored := mustQueue(t, s, CommandOptions{Name: "Install", Host: testHost})
	result, err := ignored.Wait(ctx)
	if err != nil || !result.TimedOut || result.Status != "Failed" || !strings.Contains(result.Message, "did not begin") {
		t.Errorf("Wait() = %+v, %v, want a command that was not begun in time", result, err)
	}
	endless := mustQueue(t, s, CommandOptions{ID: "hc-2", Name: "Install", Host: testHost})
	c := newCaller(t, s)
	c.must(t, "PutHostCommandAcknowledgement", fields{"HostCommandIdentifier": "hc-2"})
	result, err = endless.Wait(ctx)
	if err != nil || !result.TimedOut || !strings.Contains(result.Message, "did not end") {
		t.Errorf("Wait() = %+v, %v, want a command that was not ended in time", result, err)
	}
	c.must(t, "PutHostCommandComplete", completion("hc-2", "Succeeded", 0, ""))
	if got := endless.Result().Status; got != "Failed" {
		t.Errorf("Status after a late completion = %s, want Failed", got)
	}
}
