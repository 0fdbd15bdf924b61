//go:build unix

package main

import (
	"context"
	"strings"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// controlRules are about the conversation with the service: acknowledgements, deliveries, and what specifications may say.
func controlRules() []rule {
	// ready is a deployment that has been downloaded, with a script in BeforeInstall and nothing to do in ApplicationStart.
	ready := deploy{
		appspec: files("x => DEST") + scripts("BeforeInstall hook.sh"), bundle: []file{text("x", "x"), script("hook.sh", noting(""))},
		events: "DownloadBundle",
	}
	answered := func(status string) func(*rehearsal.CommandOptions) {
		return func(o *rehearsal.CommandOptions) { o.AckStatus = status }
	}
	// goes says that a command goes on as if the service had said InProgress.
	goes := func(p *play, event, ends, status string) {
		p.judge(&ready, event, ends, p.command(event, p.latest, answered(status)))
	}
	// dropped says that a command is acknowledged and then neither executed nor completed.
	dropped := func(p *play, event, status string) {
		c := p.send(event, p.latest, answered(status))
		if err := p.service.WaitFor(p.context(), func([]rehearsal.Request) bool { return c.Result().Acked }); err != nil {
			p.t.Fatalf("%s is not acknowledged: %v", event, err)
		}
		p.judge(&ready, "Install", "", p.command("Install", p.latest)) // the group is free for it
		if r := c.Result(); r.Completions != 0 {
			p.t.Errorf("%s, acknowledged with %s: %+v, want it dropped", event, status, r)
		}
	}
	var rules []rule
	for _, status := range []string{"InProgress", "Pending", "Confused", "none"} {
		rules = append(rules, rule{name: "an acknowledgement that is answered with " + status, ran: "BeforeInstall 1:hook.sh", deploys: []deploy{ready},
			check: func(p *play) {
				goes(p, "BeforeInstall", "", status)
				goes(p, "ApplicationStart", "noop", status)
				p.want("scripts that ran", p.noted(), "BeforeInstall 1:hook.sh")
			}})
	}
	rules = append(rules,
		rule{
			name: "the service has failed the command already", deploys: []deploy{ready},
			check: func(p *play) { dropped(p, "BeforeInstall", "Failed") },
		},
		rule{
			name: "the service has ended the command already", deploys: []deploy{ready},
			check: func(p *play) { dropped(p, "BeforeInstall", "Succeeded") },
		},
		rule{
			name: "the service has ended a no-op already", deploys: []deploy{ready},
			check: func(p *play) { dropped(p, "ApplicationStart", "Succeeded") },
		},
		rule{name: "the service has failed a no-op", deploys: []deploy{ready}, check: func(p *play) {
			r := p.command("ApplicationStart", p.latest, answered("Failed"))
			if !r.Succeeded() || r.Message != "Succeeded: CompletedNoopCommand" || !r.Noop || r.Completions != 1 {
				p.t.Errorf("%+v, want it completed as CompletedNoopCommand", r)
			}
		}},
		rule{name: "a command that is delivered three times", deploys: []deploy{ready}, check: func(p *play) {
			r := p.command("BeforeInstall", p.latest, func(o *rehearsal.CommandOptions) { o.Deliveries = 3 })
			if !r.Succeeded() {
				p.t.Errorf("%+v, want success", r)
			}
			p.want("scripts that ran", p.noted(), "BeforeInstall 1:hook.sh")
		}, ran: "*"},
		rule{name: "a command that is delivered again after its end", deploys: []deploy{ready}, ran: "*", check: func(p *play) {
			c := p.send("BeforeInstall", p.latest)
			if r, err := c.Wait(p.context()); err != nil || !r.Succeeded() {
				p.t.Fatalf("%+v, %v, want success", r, err)
			}
			for end := p.context(); c.Result().Completions < 2; {
				p.service.DeliverAgain(c) // the agent may still be clearing up after it, and does not look at a delivery then
				soon, cancel := context.WithTimeout(end, time.Second)
				err := p.service.WaitFor(soon, func([]rehearsal.Request) bool { return c.Result().Completions == 2 })
				cancel()
				if err != nil && end.Err() != nil {
					p.t.Fatalf("the result is not reported again: %+v", c.Result())
				}
			}
			p.want("scripts that ran", p.noted(), "BeforeInstall 1:hook.sh")
		}},
		rule{name: "events that the service says are possible", deploys: []deploy{{appspec: scripts("BeforeInstall hook.sh"), bundle: []file{script("hook.sh", noting(""))},
			spec: possible("BeforeInstall", "ApplicationStop", "DownloadBundle", "Install")}}},
		rule{name: "an event of the AppSpec that the service does not know", deploys: []deploy{{appspec: scripts(
			"BeforeInstall hook.sh", "SmokeTest hook.sh",
		), bundle: []file{script("hook.sh", "")},
			events: "DownloadBundle Install=5", says: []string{"unknown lifecycle events: SmokeTest"}, spec: possible("BeforeInstall", "AfterInstall")}}},
		rule{name: "an event of the deployment's own that the AppSpec does not have", deploys: []deploy{{appspec: scripts("BeforeInstall hook.sh"), bundle: []file{script("hook.sh", "")},
			events: "DownloadBundle Install=5", says: []string{"SmokeTest", "appspec.yml"}, spec: possible("BeforeInstall", "SmokeTest")}}},
		rule{name: "an event of the deployment's own that the AppSpec has", deploys: []deploy{{appspec: scripts("SmokeTest hook.sh"), bundle: []file{script("hook.sh", "")},
			spec: possible("BeforeInstall", "SmokeTest")}}},
		rule{
			name:    "without a list of possible events the AppSpec may have any",
			deploys: []deploy{{appspec: scripts("BeforeLunch hook.sh"), bundle: []file{script("hook.sh", "")}}},
		},
		rule{name: "two groups at the same time", deploys: []deploy{ready}, ran: "*", check: func(p *play) {
			other := *p
			copied := *p.host
			copied.group += "b"
			other.host, other.ids, other.recent, other.successful = &copied, nil, "", ""
			// The first group's script ends only when the second's has run.
			waits := deploy{
				appspec: scripts("BeforeInstall hook.sh"), events: "DownloadBundle",
				bundle: []file{script("hook.sh", "#!/bin/sh\nwhile [ ! -e HOST/second ]; do sleep .05; done\n")},
			}
			p.deploy(&waits)
			c := p.send("BeforeInstall", p.latest)
			other.deploy(
				&deploy{
					appspec: scripts("BeforeInstall hook.sh"), events: "DownloadBundle BeforeInstall",
					bundle: []file{script("hook.sh", "#!/bin/sh\ntouch HOST/second\n")},
				},
			)
			if r, err := c.Wait(p.context()); err != nil || !r.Succeeded() {
				p.t.Errorf("the first group's event: %+v, %v", r, err)
			}
		}},
		rule{name: "commands of one group wait for each other", deploys: []deploy{ready}, ran: "*", check: func(p *play) {
			const slow = "#!/bin/sh\necho begin >> NOTES\nsleep .3\necho end >> NOTES\n"
			p.deploy(&deploy{appspec: scripts("BeforeInstall a.sh", "AfterInstall b.sh"), events: "DownloadBundle",
				bundle: []file{script("a.sh", slow), script("b.sh", slow)}})
			first, second := p.send("BeforeInstall", p.latest), p.send("AfterInstall", p.latest)
			for _, c := range []*rehearsal.Command{first, second} {
				if r, err := c.Wait(p.context()); err != nil || !r.Succeeded() {
					p.t.Errorf("%+v, %v, want success", r, err)
				}
			}
			p.want("scripts that ran", p.noted(), "begin \n end \n begin \n end")
		}},
		rule{name: "while an event runs there is a tracking file", deploys: []deploy{ready}, ran: "*", check: func(p *play) {
			p.deploy(
				&deploy{
					appspec: scripts("BeforeInstall a.sh"), events: "DownloadBundle",
					bundle: []file{script("a.sh", "#!/bin/sh\ncat ROOT/ongoing-deployment/$DEPLOYMENT_ID >> NOTES\n")},
				},
			)
			c := p.send("BeforeInstall", p.latest)
			if r, err := c.Wait(p.context()); err != nil || !r.Succeeded() {
				p.t.Errorf("%+v, %v, want success", r, err)
			}
			if got := strings.TrimSpace(p.read(p.notes)); got != c.ID() {
				p.t.Errorf("the tracking file held %q, want the command's id %q", got, c.ID())
			}
		}},
	)
	for i := range rules {
		rules[i].in, rules[i].once = daemonOnly, true
		if rules[i].ran == "" || strings.HasPrefix(rules[i].name, "an acknowledgement") || strings.HasPrefix(rules[i].name, "the service has") {
			rules[i].ran = "*" // check plays on
		}
	}
	return rules
}

// possible makes the specification name the events that are possible.
func possible(events ...string) func(*play, *rehearsal.SpecOptions) {
	return func(_ *play, s *rehearsal.SpecOptions) { s.AllPossibleLifecycleEvents = events }
}
