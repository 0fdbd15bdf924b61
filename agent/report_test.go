package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/journal"
)

// brokenService fails completions until it is told otherwise.
type brokenService struct {
	mu     sync.Mutex
	fail   error
	taken  []string
	status []string
}

func (s *brokenService) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *brokenService) Poll(context.Context, string) (*command.HostCommand, error) { return nil, nil }
func (s *brokenService) Specification(context.Context, string, string) (*command.SpecificationAnswer, error) {
	return nil, errors.New("not asked for")
}
func (s *brokenService) Acknowledge(context.Context, string, bool) (string, error) { return "", nil }
func (s *brokenService) Complete(_ context.Context, id, status string, _ command.Diagnostics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.taken, s.status = append(s.taken, id), append(s.status, status)
	}
	return s.fail
}

func ended(id string) *journal.Entry {
	return &journal.Entry{CommandID: id, CommandName: "AfterInstall", Began: time.Now(), Result: (&Agent{}).result("", nil)}
}

func TestResultsAreKeptUntilTheServiceTakesThem(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := &brokenService{fail: errors.New("connection refused")}
		accepted := 0
		r := newReporter(s, j, zap.NewNop(), func() { accepted++ })
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { r.run(ctx) })
		for _, id := range []string{"a", "b", "c"} {
			e := ended(id)
			if err := j.End(e); err != nil {
				t.Fatal(err)
			}
			r.report(e)
		}
		if r.drain(ctx, time.Hour) {
			t.Error("drain says that all is delivered while the service is down")
		}
		if entries, _ := j.Pending(); len(entries) != 3 {
			t.Errorf("%d results in the journal, want 3", len(entries))
		}
		s.set(nil)
		if !r.drain(ctx, time.Hour) {
			t.Error("the results are not delivered an hour after the service is back")
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(s.taken, want) {
			t.Errorf("delivered %v, want %v in this order", s.taken, want)
		}
		synctest.Wait()
		if entries, _ := j.Pending(); len(entries) != 0 || accepted != 3 {
			t.Errorf("%d results left in the journal, %d accepted", len(entries), accepted)
		}
		if !r.again("b") || r.again("unknown") {
			t.Error("again does not know what has ended")
		}
		cancel()
		running.Wait()
	})
}

// A result that the service refuses does not keep the others back, and is given up in the end.
func TestRefusedResultKeepsNothingBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := &refusingService{refused: "bad"}
		r := newReporter(s, j, zap.NewNop(), func() {})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { r.run(ctx) })
		for _, id := range []string{"bad", "a", "b"} {
			e := ended(id)
			if err := j.End(e); err != nil {
				t.Fatal(err)
			}
			r.report(e)
		}
		synctest.Wait() // nothing has slept yet
		if want := []string{"a", "b"}; !slices.Equal(s.taken, want) {
			t.Errorf("delivered at once %v, want %v", s.taken, want)
		}
		if !r.drain(ctx, time.Hour) || s.offers != maxRefusals {
			t.Errorf("offered %d times, want %d and then no more", s.offers, maxRefusals)
		}
		synctest.Wait()
		if entries, _ := j.Pending(); len(entries) != 0 {
			t.Errorf("%d results left in the journal", len(entries))
		}
		cancel()
		running.Wait()
	})
}

// refusingService refuses one command's result.
type refusingService struct {
	brokenService
	refused string
	offers  int
}

func (s *refusingService) Complete(ctx context.Context, id, status string, d command.Diagnostics) error {
	if id == s.refused {
		s.offers++
		return &command.Error{Operation: "PutHostCommandComplete", HTTPStatus: 400, Code: "ClientException"}
	}
	return s.brokenService.Complete(ctx, id, status, d)
}

func TestGroupsRunOneCommandAtATime(t *testing.T) {
	t.Parallel()
	g := NewGroups(t.TempDir())
	unlock, err := g.Lock(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := g.Lock(context.Background(), "b")
	if err != nil {
		t.Fatalf("another group: %v", err)
	}
	other()
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := g.Lock(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the group can be locked twice: %v", err)
	}
	// Another process of the host has its own Groups on the same directory.
	process := NewGroups(g.stateDir)
	short, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := process.Lock(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another process can lock the group too: %v", err)
	}
	unlock()
	again, err := g.Lock(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	again()
}
