package agent

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/journal"
	"codedeploy-agent/agent/revision"
)

// brokenSources have a mistake in them.
type brokenSources struct{}

func (brokenSources) Source(*command.Specification) (revision.Source, revision.Format, error) {
	panic("a mistake")
}

// A mistake of ours fails the command that met it, with a result for the service; the agent goes on.
func TestPanicIsTheCommandsResult(t *testing.T) {
	c := config.Default()
	c.RootDir, c.StateDir = filepath.Join(t.TempDir(), "root"), t.TempDir()
	s := &brokenService{}
	a, err := New(Options{Config: c, HostIdentifier: "host", Service: s, Sources: brokenSources{}, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	spec := &command.Specification{DeploymentID: "d-1", GroupID: "g", Revision: command.Revision{Type: command.RevisionS3}}
	for _, id := range []string{"first", "second"} {
		entry := &journal.Entry{CommandID: id, CommandName: "DownloadBundle"}
		if err := a.journal.Begin(entry); err != nil {
			t.Fatal(err)
		}
		a.execute(context.Background(), spec, entry)
		if r := entry.Result; r == nil || r.Status != command.StatusFailed || r.ErrorCode != 5 || !strings.Contains(r.Message, "internal error") {
			t.Errorf("%s: result %+v, want Failed with code 5 and what happened", id, r)
		}
	}
	if tracked, problems := a.store.Tracked(time.Now()); len(tracked) != 0 || problems != nil {
		t.Errorf("tracking files stay: %v %v", tracked, problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go a.reporter.run(ctx)
	if !a.reporter.drain(ctx, reportGrace) || strings.Join(s.taken, " ") != "first second" {
		t.Errorf("the service got %v, want both results", s.taken)
	}
}
