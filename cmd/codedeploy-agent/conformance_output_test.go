//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"
)

// outputRules are about the output of scripts: the logs below the deployment root and what the service is told of it.
func outputRules() []rule {
	// fails is a revision whose script fails after it has printed something, and the log that goes to the service.
	fails := func(body string, log ...string) []deploy {
		return []deploy{{appspec: scripts("BeforeInstall hook.sh, timeout: 20"), bundle: []file{
			script("hook.sh", "#!/bin/sh\n"+body+"\nexit 1\n"),
		}, events: "DownloadBundle BeforeInstall=4",
			script: "hook.sh", says: []string{"exit code 1"}, log: strings.Join(log, "\n")}}
	}
	begun := "LifecycleEvent - BeforeInstall \n Script - hook.sh"
	numbered := func(format string, from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, format+"\n", i)
		}
		return b.String()
	}
	counting := func(n int, line string) string {
		return fmt.Sprintf("i=0; while [ $i -lt %d ]; do %s; i=$((i+1)); done", n, line)
	}
	logged := func(number int, want ...string) func(*play) {
		return func(p *play) {
			p.want("scripts.log", p.logLines(number), strings.Join(want, "\n"))
		}
	}
	return []rule{
		{
			name: "marks of the streams, in their order", ordinary: true,
			deploys: fails(
				"echo o1; sleep .1; echo e1 >&2; sleep .1; echo o2; sleep .1; echo e2 >&2; sleep .1", begun, "[stdout]o1", "[stderr]e1",
				"[stdout]o2", "[stderr]e2",
			),
			check: logged(1, begun, "[stdout]o1", "[stderr]e1", "[stdout]o2", "[stderr]e2"),
		},
		{
			name: "the log of a deployment has all its events", ordinary: true, once: true,
			deploys: []deploy{{appspec: scripts("BeforeInstall 1.sh", "BeforeInstall 2.sh", "AfterInstall 1.sh"), bundle: []file{
				script("1.sh", "#!/bin/sh\necho one\n"), script("2.sh", "#!/bin/sh\nprintf two >&2\n"),
			},
				events: "DownloadBundle BeforeInstall Install AfterInstall"}},
			check: logged(
				1, "LifecycleEvent - BeforeInstall", "Script - 1.sh", "[stdout]one", "Script - 2.sh", "[stderr]two",
				"LifecycleEvent - AfterInstall", "Script - 1.sh", "[stdout]one",
			),
		},
		{
			name: "what an older revision's script prints is in the new deployment's log", once: true,
			deploys: []deploy{
				{appspec: scripts("ApplicationStop s.sh"), bundle: []file{script("s.sh", "#!/bin/sh\necho stopping\n")}},
				{appspec: "\n", events: "ApplicationStop DownloadBundle Install"},
			},
			check: logged(2, "LifecycleEvent - ApplicationStop", "Script - s.sh", "[stdout]stopping"),
		},
		{
			name: "without scripts there is no log", once: true,
			deploys: one("\n"),
			check: func(p *play) {
				if _, err := os.Stat(p.inRoot(p.group, p.ids[0], "logs")); !os.IsNotExist(err) {
					p.t.Errorf("there is a directory logs: %v", err)
				}
			},
		},
		{
			name: "enable_deployments_log: false", settings: []string{":enable_deployments_log: false"},
			deploys: fails("echo x", begun, "[stdout]x"),
			check: func(p *play) {
				logged(1, begun, "[stdout]x")(p)
				if _, err := os.Stat(p.inRoot("deployment-logs")); !os.IsNotExist(err) {
					p.t.Errorf("there is a directory deployment-logs: %v", err)
				}
			},
		},
		{
			// 24 characters a line; the sum leaves out the newest line and counts the oldest twice.
			name: "the end of a long output", deploys: fails(
				counting(3000, "echo \"line number $i\""), numbered("[stdout]line number %d", 2919, 3000),
			),
			check: func(p *play) {
				if n := len(p.logLines(1)); n != 3002 {
					p.t.Errorf("scripts.log has %d lines, want all 3002", n)
				}
			},
		},
		{
			name: "lines of 100 characters", in: daemonOnly,
			deploys: fails(counting(40, "printf '%02d"+strings.Repeat("x", 89)+"\\n' $i"), numbered("[stdout]%02d"+strings.Repeat("x", 89), 20, 40)),
		},
		{
			name: "characters count, not bytes", in: daemonOnly, deploys: fails(
				counting(200, "echo \"\u00fc\u2603\u00e4 $i\""), numbered("[stdout]\u00fc\u2603\u00e4 %d", 71, 200),
			),
		},
		{
			name: "a line of 2047 characters with its mark and end", in: daemonOnly,
			deploys: fails("head -c 2038 /dev/zero | tr '\\0' x; echo", begun, "[stdout]"+strings.Repeat("x", 2038)),
		},
		{
			name: "of a line that is too long, the end", deploys: fails(
				"echo short; head -c 5000 /dev/zero | tr '\\0' x; echo", begun, "[stdout]short", "[...]"+strings.Repeat("x", 2041),
			),
			check: logged(1, begun, "[stdout]short", "[stdout]"+strings.Repeat("x", 5000)),
		},
		{
			name: "a long line and then a short one", in: daemonOnly, deploys: fails(
				"echo short; head -c 5000 /dev/zero | tr '\\0' x; echo; echo after", "[stdout]after",
			),
		},
		{
			name: "a line without end is cut", in: daemonOnly, once: true,
			deploys: []deploy{
				{
					appspec: scripts("BeforeInstall hook.sh"),
					bundle:  []file{script("hook.sh", "#!/bin/sh\nhead -c 150000 /dev/zero | tr '\\0' x\n")},
					events:  "DownloadBundle BeforeInstall",
				},
			},
			check: func(p *play) {
				got := p.logLines(1)
				total := 0
				for _, line := range got[2:] {
					total += len(strings.TrimPrefix(line, "[stdout]"))
				}
				if total != 150000 || len(got) < 4 {
					p.t.Errorf("scripts.log has %d of 150000 characters in %d lines", total, len(got)-2)
				}
			},
		},
		{
			name: "the last line has no end", deploys: fails(
				"echo a; printf b", begun, "[stdout]a", "[stdout]b",
			), check: logged(1, begun, "[stdout]a", "[stdout]b"),
		},
		{
			name: "empty lines", in: daemonOnly, deploys: fails("echo; echo; echo x", begun, "[stdout]", "[stdout]", "[stdout]x"),
		},
		{
			name: "bytes that are no text: replaced for the service, kept in the log", deploys: fails(
				"printf 'caf\\351 \\377\\n'", begun, "[stdout]caf\uFFFD \uFFFD",
			),
			check: logged(1, begun, "[stdout]caf\xe9 \xff"),
		},
		{
			name: "bytes that are no text do not fail a script", once: true,
			deploys: []deploy{
				{
					appspec: scripts("BeforeInstall hook.sh"), bundle: []file{script("hook.sh", "#!/bin/sh\nprintf 'caf\\351 \\377\\n'\n")},
					events: "DownloadBundle BeforeInstall Install",
				},
			},
			check: logged(1, begun, "[stdout]caf\xe9 \xff"),
		},
		{
			name: "control characters are shown, not obeyed", in: daemonOnly, deploys: fails(
				"printf 'a\\033[31mred\\033[0m b\\000c d\\re\\tf\\n'", begun, `[stdout]ared b\x00c d`, "[stdout]e\tf",
			),
			check: logged(1, begun, `[stdout]ared b\x00c d`, "[stdout]e\tf"),
		},
		{
			name: "control characters without sanitize_hook_output", in: daemonOnly, settings: []string{"sanitize_hook_output: false"}, deploys: fails(
				"printf 'a\\033[31mred\\033[0m b\\000c d\\re\\tf\\n'", begun, "[stdout]a\x1b[31mred\x1b[0m b\x00c d\re\tf",
			),
			check: logged(1, begun, "[stdout]a\x1b[31mred\x1b[0m b\x00c d\re\tf"),
		},
		{
			name: "a line that looks like the agent's own", in: daemonOnly, once: true,
			deploys: []deploy{
				{
					appspec: scripts("BeforeInstall hook.sh"),
					bundle:  []file{script("hook.sh", "#!/bin/sh\necho '2024-01-01 00:00:00 LifecycleEvent - Install'\n")},
					events:  "DownloadBundle BeforeInstall",
				},
			},
			check: logged(1, begun, "[stdout]2024-01-01 00:00:00 LifecycleEvent - Install"),
		},
		{
			name: "deploy-local shows the output and where the log is", in: localOnly, deploys: fails("echo out; echo err >&2; sleep .1", "-"),
			check: func(p *play) {
				for _, want := range []string{"[stdout]out", "[stderr]err", "See the deployment log at " + p.inRoot(p.group, p.ids[0], "logs/scripts.log") + " for more details",
					"Your local deployment failed while trying to execute your script at " + p.inRoot(p.group, p.ids[0], "deployment-archive/hook.sh")} {
					if !strings.Contains(p.console, want) {
						p.t.Errorf("deploy-local does not say %q:\n%s", want, p.console)
					}
				}
			},
		},
		{
			name: "a success of deploy-local", in: localOnly, deploys: one("\n"), check: func(p *play) {
				if !strings.HasSuffix(p.console, "AppSpec file valid. Local deployment successful\n") {
					p.t.Errorf("deploy-local says\n%s", p.console)
				}
			},
		},
	}
}
