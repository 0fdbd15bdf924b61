//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"codedeploy-agent/agent/rehearsal"
)

// The conformance suite is what the official agents do, rule by rule, as tables: one area in each conformance_*_test.go. A rule is played
// by the real binary, as the daemon and with deploy-local, and where it says so as an ordinary user too. Rules with the same settings share
// a host, each with a deployment group and a destination of its own.

// rule is a row of a table: what is deployed, and what must come of it.
type rule struct {
	name string
	// in limits the rule to one way to deploy.
	in way
	// root says that only root's agent can do it, ordinary that it is to be tried without root's rights too.
	root, ordinary bool
	// needs says why the rule cannot be tried on this machine, "" if it can.
	needs func() string
	// settings are lines of the configuration, env is added to the environment of the agent.
	settings, env []string
	// before stands below the destination before the first deployment.
	before  []file
	deploys []deploy
	// once leaves out what the daemon otherwise does after a success: the last revision is deployed again and must give the same, then
	// an empty one, which must leave what stood before. left is what stays instead, if something does.
	once bool
	left string
	// tree is what is below the destination in the end, ran which scripts have run and list the clean-up list, a line each. tree and list
	// are looked at after a success only, and list only if it is given. A ran of "*" is left to check.
	tree, ran, list string
	// check looks at what else there is after the last deployment.
	check func(*play)
}

// way is how a rule is deployed.
type way int

const (
	bothWays way = iota
	daemonOnly
	localOnly
)

// deploy is one deployment of a rule. In its texts DEST is the destination, NOTES the file that scripts write to, HOST a directory of the
// rule's own, ME the agent's user.
type deploy struct {
	// appspec is the text of appspec.yml after version and os, or all of it if it has a version of its own; "" leaves the file out.
	appspec string
	bundle  []file
	// format is tar, tgz or zip; "" means tgz from the service and a plain directory for deploy-local.
	format string
	// data is what is sent instead of the bundle.
	data func(*play) []byte
	// events are the lifecycle events and how they end: "Name" succeeds, "Name=noop" succeeds and has nothing to do, "Name=4" fails with
	// that code, "Name=refused" fails with code 5 before it is acknowledged, "Name=unknown" is called a no-op and fails with code 5.
	// "" means DownloadBundle and Install.
	events string
	// asked is what deploy-local is asked for in place of the events; "all" means nothing.
	asked string
	// says is what the message of the failure must contain, script the script it names, log the log that comes with it, a line each; "-"
	// means that the log does not matter.
	says        []string
	script, log string
	// invalid says that deploy-local finds the failure before it does anything.
	invalid bool
	// note is what a successful DownloadBundle says about itself.
	note string
	// behavior is the deployment's option for existing files, appspecName the name of its AppSpec.
	behavior, appspecName string
	// spec changes the specification that the service sends.
	spec func(*play, *rehearsal.SpecOptions)
	// writes is what its scripts make, which plan cannot know of. What they write to NOTES is not looked at anyway, and that anything else
	// than plan said has changed is a failure.
	writes string
	// first happens before the deployment.
	first func(*play)
}

// areas are the tables.
var areas = []struct {
	name  string
	rules func() []rule
}{
	{"AppSpec", appspecRules},
	{"files", filesRules},
	{"existing files", existingRules},
	{"clean-up", cleanupRules},
	{"permissions", permissionsRules},
	{"hooks", hookRules},
	{"output", outputRules},
	{"bundles", bundleRules},
	{"deployment root", storeRules},
	{"control", controlRules},
	{"deploy-local", localRules},
}

func TestConformance(t *testing.T) {
	t.Parallel()
	f := &fleet{t: t, hosts: map[string]*host{}}
	t.Cleanup(f.inspect) // after all rules, which are parallel subtests
	for _, area := range areas {
		t.Run(area.name, func(t *testing.T) {
			for _, r := range area.rules() {
				f.try(t, r)
			}
		})
	}
}

// fleet are the hosts that the rules share.
type fleet struct {
	t     *testing.T
	mu    sync.Mutex
	hosts map[string]*host
	plays int
}

// try runs a rule in all the ways that it is for.
func (f *fleet) try(t *testing.T, r rule) {
	for _, local := range []bool{false, true} {
		if local && r.in == daemonOnly || !local && r.in == localOnly {
			continue
		}
		name := map[bool]string{false: "daemon", true: "local"}[local]
		t.Run(r.name+"/"+name, func(t *testing.T) {
			t.Parallel()
			if r.root && os.Getuid() != 0 {
				t.Skip("it takes root")
			}
			f.play(t, &r, local, nil).run()
		})
		if r.ordinary && os.Getuid() == 0 {
			t.Run(r.name+"/"+name+" as an ordinary user", func(t *testing.T) {
				t.Parallel()
				f.play(t, &r, local, ordinaryUser(t)).run()
			})
		}
	}
}

// play prepares the playing of a rule.
func (f *fleet) play(t *testing.T, r *rule, local bool, user *account) *play {
	t.Helper()
	if r.needs != nil {
		if why := r.needs(); why != "" {
			t.Skip(why)
		}
	}
	h, number := f.host(t, r, local, user)
	h.t, h.group = t, fmt.Sprintf("group-%d", number)
	p := &play{host: &h, rule: r, local: local, home: h.path(h.group)}
	h.dest, h.notes = filepath.Join(p.home, "srv"), filepath.Join(p.home, "notes")
	p.write(h.group+"/notes", "")
	if err := os.Chmod(h.notes, 0o666); err != nil { // scripts write there as several users
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the agent logged about it:\n%s", p.logged())
		}
	})
	return p
}

// host returns a copy of the host for a rule, and the number of the play on it. For the daemon the host's agent runs.
func (f *fleet) host(t *testing.T, r *rule, local bool, user *account) (host, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := strings.Join(slices.Concat(r.settings, []string{"|"}, r.env), "\n")
	if user != nil {
		key = user.name + "\n" + key
	}
	h := f.hosts[key]
	if h == nil {
		h = newHostOf(outliving{t, f.t}, user, r.settings...)
		h.env = slices.DeleteFunc(h.env, func(v string) bool { // scripts see it: it must not be the developer's
			name, _, _ := strings.Cut(v, "=")
			return !slices.Contains([]string{"PATH", "HOME", "USER", "TZ", "TMPDIR", "GORACE", "AWS_EC2_METADATA_SERVICE_ENDPOINT"}, name)
		})
		h.env, h.shared = append(h.env, r.env...), true
		f.hosts[key] = h
	}
	if !local && h.agent == nil {
		h.start()
	}
	f.plays++
	return *h, f.plays
}

// outliving is a test that makes something for all tests of another.
type outliving struct {
	testing.TB
	all testing.TB
}

func (o outliving) Cleanup(f func()) { o.all.Cleanup(f) }

// inspect looks at what the rules have left on the hosts.
func (f *fleet) inspect() {
	for _, h := range f.hosts {
		h.t = f.t
		if h.agent != nil {
			if code := h.stop(); code != 0 {
				f.t.Errorf("an agent ended with exit code %d:\n%s", code, h.output)
			}
		}
		for _, dir := range []string{"root/ongoing-deployment", "root.state/journal", "root.state/local"} {
			if left, err := os.ReadDir(h.path(dir)); err == nil && len(left) > 0 {
				f.t.Errorf("%s still has %v", dir, left)
			}
		}
		entries, _ := os.ReadDir(h.path("root"))
		for _, e := range entries {
			name := e.Name()
			if !e.IsDir() || !strings.HasPrefix(name, "group-") && !slices.Contains([]string{"deployment-instructions", "deployment-logs", "ongoing-deployment"}, name) {
				f.t.Errorf("the deployment root has %s", name)
			}
		}
	}
}
