package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// settle is how long the client asks between two acts, so that the counts show who serves.
const settle = 300 * time.Millisecond

// play is the story: three versions, three deployments. It returns an error unless all went as it should.
func (s *stage) play() error {
	s.say("Command service, object store: %s   load balancer: %s", s.service.URL(), s.balancer.URL())
	if s.isolation.shared != "" {
		s.say("Every instance has its own %s (%s).", s.isolation.shared, s.isolation.how)
	} else {
		s.say("Every instance has a destination of its own, written into its bundle, because instances cannot have")
		s.say("different files at the same path here: %s", s.isolation.why)
	}
	blue, err := s.launch("blue", "i-0b1ue000000000001")
	if err != nil {
		return err
	}
	if err := s.first(blue); err != nil {
		return fmt.Errorf("deployment 1 did not go as it should: %w", err)
	}
	green, err := s.launch("green", "i-0c9ee000000000002")
	if err != nil {
		return err
	}
	if err := s.second(blue, green); err != nil {
		return fmt.Errorf("deployment 2 did not go as it should: %w", err)
	}
	third, err := s.launch("green-2", "i-0c9ee000000000003")
	if err != nil {
		return err
	}
	if err := s.third(blue, green, third); err != nil {
		return fmt.Errorf("deployment 3 did not go as it should: %w", err)
	}
	return s.ending(blue, green, third)
}

// first deploys version 1 to the blue instance in place, and opens the site.
func (s *stage) first(blue *instance) error {
	d, err := s.deployment("1", blue)
	if err != nil {
		return err
	}
	s.heading("Deployment 1 (%s): version 1 on blue, in place.", d.Spec.DeploymentID)
	outcome, err := s.workflow.InPlace(s.ctx, d, blue.host())
	if err != nil {
		return err
	}
	if err := wanted(outcome, rehearsal.Succeeded); err != nil {
		return err
	}
	s.traffic = rehearsal.StartTraffic(s.balancer.URL(), askEvery)
	return s.wait(settle)
}

// second deploys version 2 blue/green while the client asks.
func (s *stage) second(blue, green *instance) error {
	d, err := s.deployment("2", green)
	if err != nil {
		return err
	}
	s.heading("Deployment 2 (%s): version 2, blue/green. A client asks the load balancer all the time.", d.Spec.DeploymentID)
	outcome, err := s.workflow.BlueGreen(s.ctx, d, []rehearsal.Host{blue.host()}, []rehearsal.Host{green.host()})
	if err != nil {
		return err
	}
	if err := wanted(outcome, rehearsal.Succeeded); err != nil {
		return err
	}
	if !outcome.TrafficMoved {
		return errors.New("the traffic did not move to green")
	}
	if err := s.serving(green, "2"); err != nil {
		return err
	}
	if err := s.wait(settle); err != nil {
		return err
	}
	counts, last := s.traffic.Counts()
	s.showCounts("Requests so far, as the client saw them:", counts)
	return lost(counts, last)
}

// third deploys version 3 blue/green; it must fail in ValidateService and the traffic must stay where it is.
func (s *stage) third(blue, green, next *instance) error {
	d, err := s.deployment("3", next)
	if err != nil {
		return err
	}
	before, _ := s.traffic.Counts()
	s.heading("Deployment 3 (%s): version 3, blue/green. It is broken: its /health answers 500.", d.Spec.DeploymentID)
	outcome, err := s.workflow.BlueGreen(s.ctx, d, []rehearsal.Host{green.host()}, []rehearsal.Host{next.host()})
	if err != nil {
		return err
	}
	if err := wanted(outcome, rehearsal.Failed); err != nil {
		return err
	}
	failure := outcome.Failure()
	const scriptFailed = 4
	if failure.Host != next.name || failure.Name != "ValidateService" || failure.ErrorCode != scriptFailed {
		return fmt.Errorf("it failed in %s on %s with error code %d, not in ValidateService on %s with %d",
			failure.Name, failure.Host, failure.ErrorCode, next.name, scriptFailed)
	}
	if outcome.TrafficMoved {
		return errors.New("traffic moved to the broken version")
	}
	if err := s.wait(settle); err != nil {
		return err
	}
	after, last := s.traffic.Counts()
	if served(after, "2") <= served(before, "2") {
		return errors.New("version 2 does not serve any more")
	}
	if served(after, "3") > 0 {
		return errors.New("version 3 got requests")
	}
	if err := errors.Join(lost(after, last), s.serving(green, "2")); err != nil {
		return err
	}
	s.say("Refused: the traffic never moved. Version 2 on green keeps serving; blue still runs version 1 without traffic.")
	return nil
}

// ending says what is left behind, and what became of every request.
func (s *stage) ending(blue, green, failed *instance) error {
	counts, last := s.traffic.Stop()
	s.say("")
	s.say("What deployment 3 leaves behind on %s:", failed.name)
	pid := failed.serverPID()
	if pid == 0 {
		return fmt.Errorf("the server of %s does not run, although ApplicationStart succeeded", failed.name)
	}
	if _, err := os.Stat(filepath.Join(failed.tree, "web", "bin", "webserver")); err != nil {
		return fmt.Errorf("the files of version 3 are gone from %s: %w", failed.name, err)
	}
	pointer, err := failed.lastSuccessful(group)
	if err != nil {
		return fmt.Errorf("cannot read which revision was the last successful on %s: %w", failed.name, err)
	}
	if pointer == "" {
		return fmt.Errorf("%s has no pointer to a last successful revision, although Install succeeded", failed.name)
	}
	s.say("  - its server (version 3, pid %d, port %d) still runs; only the load balancer keeps users from it", pid, failed.port)
	s.say("  - its files are in %s/web", failed.root)
	s.say("  - its last successful revision is said to be %s:", s.short(pointer))
	s.say("    that pointer is written when Install ends, so the next deployment there begins with version 3's ApplicationStop")
	s.say("What the operator can do: fix version 3 and deploy it again to new instances; or deploy to %s again, which", failed.name)
	s.say("  stops and replaces version 3; or stop the server there by its pid; or terminate %s.", failed.name)
	s.say("  There is nothing to roll back: no traffic had moved.")
	s.say("")
	s.say("Still running: blue (version 1, port %d, no traffic), green (version 2, port %d, all traffic), %s (version 3, no traffic).",
		blue.port, green.port, failed.name)
	s.say("")
	s.showCounts("Requests, as the client saw them:", counts)
	s.showCounts("Requests, as the load balancer sent them:", byVersion(s.balancer.Counts()))
	s.say("")
	return lost(counts, last)
}

// short is a path below the demo's directory without it.
func (s *stage) short(path string) string {
	if relative, err := filepath.Rel(s.dir, path); err == nil {
		return relative
	}
	return path
}

// deployment packs a version for an instance, puts it into the object store and describes its deployment.
func (s *stage) deployment(version string, to *instance) (rehearsal.Deployment, error) {
	packed, err := s.source.bundle(version, to.root)
	if err != nil {
		return rehearsal.Deployment{}, err
	}
	key := "site/version-" + version + ".tgz"
	etag, err := s.service.Put(bucket, key, rehearsal.Object{Data: packed, Version: "v" + version})
	if err != nil {
		return rehearsal.Deployment{}, err
	}
	return rehearsal.Deployment{Label: "version " + version, Spec: rehearsal.SpecOptions{
		DeploymentID: rehearsal.NewDeploymentID(), GroupID: group, GroupName: "site", ApplicationName: "example",
		Revision: rehearsal.Revision{S3: &rehearsal.S3Location{Bucket: bucket, Key: key, Version: "v" + version, ETag: etag, BundleType: "tgz"}},
	}}, nil
}

// wait lets the client ask for a while.
func (s *stage) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// serving checks that the traffic goes to one instance only, and that the version it should be answers.
func (s *stage) serving(i *instance, version string) error {
	id := i.metadata.HostIdentifier()
	if registered := s.balancer.Registered(); !slices.Equal(registered, []string{id}) {
		return fmt.Errorf("the load balancer sends traffic to %q, not to %q alone", registered, id)
	}
	if err := s.wait(settle); err != nil {
		return err
	}
	before := s.balancer.Counts()
	if err := s.wait(settle); err != nil {
		return err
	}
	for _, c := range s.balancer.Counts() {
		if c.Version != version && c.Served != served(before, c.Version) {
			return fmt.Errorf("requests are still answered by version %q", c.Version)
		}
	}
	return nil
}

func wanted(outcome rehearsal.Outcome, status rehearsal.EventStatus) error {
	if outcome.Status != status {
		return fmt.Errorf("it ended as %s, not as %s", outcome.Status, status)
	}
	return nil
}

// lost is an error if any request was lost.
func lost(counts []rehearsal.Count, last error) error {
	n := 0
	for _, c := range counts {
		n += c.Lost
	}
	if n > 0 {
		return fmt.Errorf("%d requests were lost, the last because: %w", n, last)
	}
	return nil
}

func served(counts []rehearsal.Count, version string) int {
	n := 0
	for _, c := range counts {
		if c.Version == version {
			n += c.Served
		}
	}
	return n
}

// byVersion adds up the counts of targets with the same version.
func byVersion(counts []rehearsal.Count) []rehearsal.Count {
	var sums []rehearsal.Count
	for _, c := range counts {
		at := slices.IndexFunc(sums, func(sum rehearsal.Count) bool { return sum.Version == c.Version })
		if at < 0 {
			at = len(sums)
			sums = append(sums, rehearsal.Count{Version: c.Version})
		}
		sums[at].Served += c.Served
		sums[at].Lost += c.Lost
	}
	return sums
}
