package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tried is what dry-run --json prints.
type tried struct {
	LastSuccessful string `json:"last_successful"`
	Runs           []struct{ Deployment, Result, Error string }
	Hooks          []struct {
		Run                                         int
		Event, Location, Deployment, Result, Output string
		Code                                        int
		ExitCode                                    int `json:"exit_code"`
		Duration                                    float64
	}
	Changes  []struct{ Path, Action, Detail string }
	Services []called
	Commands []called
	Units    []struct {
		Name, State, Why, Output string
		Restarts                 int
		EndedOthers              int `json:"ended_others"`
	}
	Processes []struct {
		PID                        int
		User, Command, Event, Unit string
	}
	Ports []struct {
		Protocol, Address string
		Port, PID         int
	}
	Problems, Warnings []string
}

type called struct {
	Event, Answer, Kind string
	Command             []string
	Code                int
}

// asEach runs a test as root, if the tests are root's, and as an ordinary user. It skips where the system does not allow views.
func asEach(t *testing.T, test func(t *testing.T, h *host, who *syscall.Credential)) {
	for _, name := range []string{"root", "ordinary user"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "root" && os.Getuid() != 0 {
				t.Skip("not running as root")
			}
			h := newHost(t)
			var who *syscall.Credential
			if name != "root" {
				who = h.ordinary()
			}
			h.skipWithoutViews(who)
			test(t, h, who)
		})
	}
}

// ordinary makes the host's directory an ordinary user's, who is returned; nil if the tests are that user's already.
func (h *host) ordinary() *syscall.Credential {
	h.t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil || !reachable(h.dir) {
		h.t.Skip("running as root, and there is no user nobody to be instead or the temporary directory cannot be reached by others")
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	h.own(uid, gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// own gives all of the host's directory to a user.
func (h *host) own(uid, gid int) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// dryRunCommand is a dry run that has not been started.
func (h *host) dryRunCommand(who *syscall.Credential, args ...string) *exec.Cmd {
	if who != nil {
		h.own(int(who.Uid), int(who.Gid))
	}
	cmd := exec.CommandContext(h.context(), binary, append([]string{"dry-run", "-c", h.config, "-g", group}, args...)...)
	cmd.Dir, cmd.Env = h.dir, h.env
	if who != nil {
		cmd.Env = append(slices.Clone(h.env), "HOME="+h.dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	return cmd
}

func (h *host) runDry(who *syscall.Credential, args ...string) ran {
	h.t.Helper()
	cmd := h.dryRunCommand(who, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// dryRun runs a dry run, checks its exit code and that it leaves the host's directory as it was, and returns its report.
func (h *host) dryRun(who *syscall.Credential, wantCode int, args ...string) tried {
	h.t.Helper()
	if who != nil {
		h.own(int(who.Uid), int(who.Gid))
	}
	before := h.everything()
	r := h.runDry(who, append([]string{"--json"}, args...)...)
	if r.code != wantCode {
		h.t.Fatalf("dry-run %q: exit code %d, want %d\n%s\n%s", args, r.code, wantCode, r.stdout, r.stderr)
	}
	if after := h.everything(); after != before {
		h.t.Errorf("dry-run has changed the host:\n%s", difference(before, after))
	}
	var report tried
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		h.t.Fatalf("dry-run --json prints %q: %v", r.stdout, err)
	}
	return report
}

// views says why there are no views for root or for an ordinary user; empty if there are.
var views = map[bool]func(h *host, who *syscall.Credential) string{false: probeOnce(), true: probeOnce()}

// probeOnce deploys a bundle without hooks in a view, the first time it is called.
func probeOnce() func(h *host, who *syscall.Credential) string {
	var once sync.Once
	var why string
	return func(h *host, who *syscall.Credential) string {
		once.Do(func() {
			r := h.runDry(who, "--once", h.layOut("probe", []file{{"appspec.yml", "version: 0.0\nos: linux\n", 0o644}}))
			switch {
			case r.code == 0:
			case strings.Contains(r.stderr, "cannot make a view of this host") && strings.Contains(r.stderr, "codedeploy-agent plan"):
				why = r.stderr
			default:
				h.t.Errorf("dry-run of a bundle without hooks: %+v", r)
			}
		})
		return why
	}
}

func (h *host) skipWithoutViews(who *syscall.Credential) {
	h.t.Helper()
	if why := views[who != nil](h, who); why != "" {
		h.t.Skip(why)
	}
}

// with returns the paths that a report says something of, as "action path".
func (r tried) with(below string) []string {
	var all []string
	for _, c := range r.Changes {
		if strings.Contains(c.Path, below) {
			all = append(all, c.Action+" "+c.Path)
		}
	}
	return all
}

func (r tried) service(command string) (called, bool) {
	i := slices.IndexFunc(r.Services, func(c called) bool { return strings.Join(c.Command, " ") == command })
	if i < 0 {
		return called{}, false
	}
	return r.Services[i], true
}

// withArgument lists the processes that have a text in their command line.
func withArgument(text string) []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(text)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// existing returns the first of some files that this host has.
func existing(t *testing.T, paths ...string) string {
	t.Helper()
	for _, p := range paths {
		if _, err := os.Lstat(p); err == nil {
			return p
		}
	}
	t.Skipf("this host has none of %q", paths)
	return ""
}

// server is a program that answers each connection with a word and the user it runs as.
const server = `#!/usr/bin/perl
# NAME
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, Listen => 5, ReuseAddr => 1) or die "cannot listen: $!";
while (my $c = $s->accept) { print $c "hello $ENV{WORD}\n"; close $c }
`

// ask is a shell function that asks the server on a port until it answers.
const ask = `
ask() {
  for i in $(seq 1 100); do
    if exec 3<>/dev/tcp/127.0.0.1/$1; then read -r answer <&3; exec 3>&-; echo "$answer"; return 0; fi 2>/dev/null
    sleep 0.05
  done
  return 1
}
`

// Hooks do what they like: on the host's files, processes, sockets and services nothing of it shows, and all of it is told.
func TestDryRunLeavesTheHostAsItIs(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		name := "dry-run-" + filepath.Base(h.dir)
		victim := existing(t, "/etc/issue", "/etc/motd", "/etc/os-release")
		inPlace := existing(t, "/etc/hosts", "/etc/passwd")
		was, err := os.Lstat(victim)
		if err != nil {
			t.Fatal(err)
		}
		hosts := h.read(inPlace)

		// On the host: a process of the name that a hook kills, and a server on the port that a hook's server takes.
		process := exec.Command("/bin/sh", "-c", "read forever", name)
		held, hold, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer hold.Close()
		process.Stdin = held
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- process.Wait() }()
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		port := strconv.Itoa(socket.Addr().(*net.TCPAddr).Port)
		unixSocket := h.path("socket")
		listener, err := net.Listen("unix", unixSocket)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if err := os.Chmod(unixSocket, 0o777); err != nil {
			t.Fatal(err)
		}

		unit := fmt.Sprintf("[Service]\nEnvironment=PORT=%s \"WORD=from the unit\"\nExecStart=/opt/%s/server\n[Install]\nWantedBy=multi-user.target\n", port, name)
		before := strings.NewReplacer("NAME", name, "VICTIM", victim, "SOCKET", unixSocket, "HOSTS", inPlace).Replace(`#!/bin/bash
set -e
echo "uid $(id -u)"
mkdir -p /etc/NAME && echo setting > /etc/NAME/conf
echo "# a line more" >> HOSTS
rm -f VICTIM
killed=0
for p in /proc/[0-9]*; do
  [ "$p" = /proc/$$ ] || ! tr '\0' ' ' 2>/dev/null < $p/cmdline | grep -q "NAME" || { kill ${p#/proc/} && killed=$((killed+1)); }
done 2>/dev/null
echo "killed $killed"
perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new("SOCKET")' && echo "reached the host" || echo "not reached"
touch ` + h.dir + `/left-behind
`)
		start := strings.NewReplacer("NAME", name, "PORT", port).Replace(`#!/bin/bash
systemctl restart nginx || exit 3
systemctl daemon-reload
systemctl restart NAME || exit 4
systemctl is-active NAME || exit 5
PORT=1 WORD=x /opt/NAME/server 2>&1 | head -1
/bin/sleep 1000 >/dev/null 2>&1 &
`)
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", `version: 0.0
os: linux
files:
  - source: server
    destination: /opt/` + name + `
  - source: ` + name + `.service
    destination: /etc/systemd/system
hooks:
  BeforeInstall: [{location: before.sh, timeout: 60}]
  ApplicationStart: [{location: start.sh, timeout: 60}]
  ValidateService: [{location: check.sh, timeout: 60}]
`, 0o644},
			{"server", strings.ReplaceAll(server, "NAME", name), 0o755},
			{name + ".service", unit, 0o644},
			{"before.sh", before, 0o755},
			{"start.sh", start, 0o755},
			{"check.sh", "#!/bin/bash\n" + ask + "ask " + port + "\n", 0o755},
		})
		r := h.dryRun(who, 0, bundle)

		for _, want := range []string{"create /etc/" + name, "create /etc/" + name + "/conf", "create /opt/" + name, "create /opt/" + name + "/server",
			"create /etc/systemd/system/" + name + ".service", "create " + h.dir + "/left-behind"} {
			if !slices.Contains(r.with(""), want) {
				t.Errorf("changes %q, want %q among them", r.with(""), want)
			}
		}
		if got := r.with(victim); !slices.Equal(got, []string{"delete " + victim}) {
			t.Errorf("changes %q, want that %s is deleted", got, victim)
		}
		if got := r.with(inPlace); !slices.Equal(got, []string{"overwrite " + inPlace}) {
			t.Errorf("changes %q, want that %s is overwritten", got, inPlace)
		}
		if len(r.Runs) != 2 || len(r.Hooks) != 6 {
			t.Fatalf("runs %+v, hooks %+v: want two deployments with three hooks each", r.Runs, r.Hooks)
		}
		for i, want := range map[int]string{0: "uid 0", 2: "hello from the unit", 5: "hello from the unit"} {
			if !strings.Contains(r.Hooks[i].Output, "[stdout]"+want) || r.Hooks[i].Result != "succeeded" {
				t.Errorf("hook %d: %+v, want that it prints %q", i, r.Hooks[i], want)
			}
		}
		// The host's process is not to be seen; in the second deployment there is the server of the first.
		for i, want := range map[int]string{0: "killed 0", 3: "killed 1"} {
			if !strings.Contains(r.Hooks[i].Output, want) || !strings.Contains(r.Hooks[i].Output, "not reached") {
				t.Errorf("hook %d prints %q, want %q and that the host's socket is not reached", i, r.Hooks[i].Output, want)
			}
		}
		if c, ok := r.service("systemctl restart nginx"); !ok || c.Event != "ApplicationStart" || c.Code != 0 {
			t.Errorf("services %+v, want a restart of nginx", r.Services)
		}
		if c, ok := r.service("systemctl restart " + name); !ok || c.Answer != "restarted in the view" {
			t.Errorf("services %+v, want that %s was restarted in the view", r.Services, name)
		}
		if len(r.Ports) != 1 || strconv.Itoa(r.Ports[0].Port) != port || r.Ports[0].Protocol != "tcp" || r.Ports[0].Address != "127.0.0.1" {
			t.Fatalf("ports %+v, want %s", r.Ports, port)
		}
		units, sleeps := 0, 0
		for _, p := range r.Processes {
			if p.Unit == name+".service" && p.PID == r.Ports[0].PID && strings.Contains(p.Command, "/opt/"+name+"/server") {
				units++
			}
			if p.Command == "/bin/sleep 1000" && p.Event == "ApplicationStart" {
				sleeps++
			}
		}
		if units != 1 || sleeps != 2 || len(r.Processes) != 3 {
			t.Errorf("processes %+v, want the service and two of sleep", r.Processes)
		}

		// The host.
		for _, path := range []string{"/etc/" + name, "/opt/" + name, "/etc/systemd/system/" + name + ".service"} {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is on the host", path)
			}
		}
		if is, err := os.Lstat(victim); err != nil || !os.SameFile(was, is) || !is.ModTime().Equal(was.ModTime()) {
			t.Errorf("%s was touched: %v", victim, err)
		}
		if h.read(inPlace) != hosts {
			t.Errorf("%s was changed", inPlace)
		}
		select {
		case err := <-ended:
			t.Errorf("the host's process was ended: %v", err)
		default:
		}
		if pids := withArgument(name); !slices.Equal(pids, []int{process.Process.Pid}) {
			t.Errorf("processes %v with the name are running, want %d only", pids, process.Process.Pid)
		}
		hold.Close()
		<-ended
		if strings.Contains(h.read("/proc/self/mountinfo"), " dry-run ") {
			t.Errorf("mounts have been left behind")
		}
	})
}

// A stop script that needs what nobody makes is only met by the second deployment.
func TestDryRunFindsARedeployThatFails(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  ApplicationStop: [{location: stop.sh, timeout: 60}]\n  ApplicationStart: [{location: start.sh, timeout: 60}]\n", 0o644},
			{"stop.sh", "#!/bin/sh\nkill $(cat " + h.dir + "/server.pid)\n", 0o755},
			{"start.sh", "#!/bin/sh\n:\n", 0o755},
		})
		r := h.dryRun(who, 1, bundle)
		if len(r.Runs) != 2 || r.Runs[0].Result != "succeeded" || r.Runs[1].Result != "failed" {
			t.Fatalf("runs %+v, want that the second fails", r.Runs)
		}
		last := r.Hooks[len(r.Hooks)-1]
		if last.Event != "ApplicationStop" || last.Run != 2 || last.Result != "failed" || last.ExitCode == 0 || last.Deployment != r.Runs[0].Deployment ||
			!strings.Contains(last.Output, "server.pid") {
			t.Errorf("hook %+v, want the failure of stop.sh and why", last)
		}
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "next deployment of the same bundle failed: ApplicationStop") {
			t.Errorf("problems %q", r.Problems)
		}
		if who != nil {
			return // the report is the same
		}
		text := h.runDry(who, bundle)
		if text.code != 1 || !strings.Contains(text.stdout, "The same bundle again: failed") || !strings.Contains(text.stderr, "server.pid") {
			t.Errorf("%+v, want that it says which deployment failed and shows the output", text)
		}
		if r := h.dryRun(who, 0, "--once", bundle); len(r.Runs) != 1 {
			t.Errorf("runs %+v with --once", r.Runs)
		}
	})
}

// What is installed on the host is what the deployment in the view finds.
func TestDryRunAfterADeployment(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.skipWithoutViews(nil)
	for _, label := range []string{"one", "two"} {
		if r := newCommand(h, "deploy-local", "-c", h.config, "-g", group, "-l", h.layOut("bundle-"+label, h.revision(label, nil))); r.code != 0 {
			t.Fatalf("deploy-local: %+v", r)
		}
	}
	p := h.plan(0, h.path("bundle-one"))
	h.write("bundle.tgz", string(pack(t, h.revision("three", nil, file{"content/new.txt", "new", 0o640}))))
	r := h.dryRun(nil, 0, "--deployment-type", "in-place", h.path("bundle.tgz"))
	if r.LastSuccessful != p.LastSuccessful || r.LastSuccessful == "" {
		t.Errorf("last successful deployment %q, want %q", r.LastSuccessful, p.LastSuccessful)
	}
	if first := r.Hooks[0]; first.Event != "ApplicationStop" || first.Deployment != p.LastSuccessful {
		t.Errorf("the first hook is %+v, want the installed revision's ApplicationStop", first)
	}
	if len(r.Hooks) != 10 {
		t.Errorf("%d hooks, want the five of an in-place deployment, twice", len(r.Hooks))
	}
	if got, want := r.with(h.dest), []string{"overwrite " + h.dest + "/index.html", "create " + h.dest + "/new.txt"}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q: the agent's own state is not among them", got, want)
	}
	if got := r.with("/root/"); len(got) > 0 {
		t.Errorf("changes %q are the agent's own", got)
	}
}

func TestDryRunStandIns(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		name := "stand-in-" + filepath.Base(h.dir)
		notify := `#!/usr/bin/perl
use IO::Socket::UNIX; use Socket;
open(my $f, ">", "/opt/` + name + `/prepared"); close $f;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die $!;
$s->send("READY=1\n"); sleep 1000;
`
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", "version: 0.0\nos: linux\nfiles:\n  - source: units\n    destination: /etc/systemd/system\n  - source: bin\n    destination: /opt/" + name +
				"\nhooks:\n  ApplicationStart: [{location: start.sh, timeout: 60}]\n", 0o644},
			{"bin/notify", notify, 0o755},
			{"bin/daemon", "#!/bin/bash\n(exec -a renamed sleep 1000) >/dev/null 2>&1 &\nexit 0\n", 0o755},
			{"units/" + name + "-n.service", "[Service]\nType=notify\nExecStart=/opt/" + name + "/notify\n", 0o644},
			{"units/" + name + "-f.service", "[Service]\nType=forking\nExecStart=/opt/" + name + "/daemon\n", 0o644},
			{"units/" + name + "-o.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo $${PPID} > /opt/" + name + "/once'\n", 0o644},
			{"units/" + name + "-bad.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo why it failed >&2; exit 6'\n", 0o644},
			{"start.sh", strings.ReplaceAll(`#!/bin/bash
reboot; shutdown -r now; /sbin/reboot
systemctl start NAME-n && test -e /opt/NAME/prepared && echo notified
service NAME-f start; systemctl is-active -q NAME-f && echo forked
systemctl start NAME-o; test -s /opt/NAME/once && systemctl is-active NAME-o
systemctl start NAME-bad || echo "bad $?"
systemctl status no-such-unit >/dev/null 2>&1; echo "status $?"
systemctl stop NAME-n; systemctl is-active NAME-n || echo "stopped $?"
systemctl is-active other; service other restart; systemctl is-active other
systemctl restart nginx; echo "nginx $?"
systemctl reload httpd; echo "httpd $?"
`, "NAME", name), 0o755},
		})
		r := h.dryRun(who, 0, "--once", bundle, "--stand-in", "systemctl restart nginx=fail:9", "--stand-in", "systemctl reload=print:said")
		out := r.Hooks[0].Output
		for _, want := range []string{"notified", "forked", "[stdout]active", "bad 1", "why it failed", "status 4", "stopped 3", "nginx 9", "said", "httpd 0"} {
			if !strings.Contains(out, want) {
				t.Errorf("output:\n%s\nwant %q", out, want)
			}
		}
		reboots := 0
		for _, c := range r.Services {
			if c.Kind == "the host's power" {
				reboots++
			}
		}
		if reboots < 2 {
			t.Errorf("services %+v, want reboot and shutdown", r.Services)
		}
		if len(r.Processes) != 1 || r.Processes[0].Unit != name+"-f.service" || !strings.Contains(r.Processes[0].Command, "renamed") {
			t.Errorf("processes %+v, want what %s-f has left", r.Processes, name)
		}
		for _, bad := range [][]string{{"--stand-in", "systemctl"}, {"--stand-in", "ls=fail"}, {"--stand-in", "systemctl=maybe"}, {"--network", "some"},
			{"--root", h.path("nowhere")}, {"--deployment-type", "sideways"}} {
			if r := h.runDry(who, append(bad, bundle)...); r.code != 2 {
				t.Errorf("%q: %+v, want exit code 2", bad, r)
			}
		}
	})
}

// Owners are the view's, also for a user who cannot give anything away.
func TestDryRunOwnersAndModes(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		file0 := existing(t, "/etc/issue", "/etc/os-release")
		other, err := user.Lookup("daemon")
		if err != nil {
			t.Skip("there is no user daemon")
		}
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  ApplicationStart: [{location: start.sh, timeout: 60, runas: daemon}, {location: root.sh, timeout: 60}]\n", 0o644},
			{"start.sh", "#!/bin/sh\necho ran as $USER\n", 0o755},
			{"root.sh", "#!/bin/sh\nset -e\nmkdir " + h.dir + "/data\nchown -R daemon: " + h.dir + "/data\nchmod 0600 /etc/passwd\nmv " + file0 + " " + file0 + ".old\n", 0o755},
		})
		r := h.dryRun(who, 0, "--once", bundle)
		if !strings.Contains(r.Hooks[0].Output, "ran as daemon") {
			t.Errorf("%+v, want that the script runs as its user", r.Hooks[0])
		}
		for _, want := range []string{"create " + h.dir + "/data", "mode /etc/passwd", "delete " + file0, "create " + file0 + ".old"} {
			if !slices.Contains(r.with(""), want) {
				t.Errorf("changes %+v, want %q", r.Changes, want)
			}
		}
		for _, c := range r.Changes {
			if c.Path == h.dir+"/data" && !strings.Contains(c.Detail, "owner "+other.Username+":") {
				t.Errorf("change %+v, want its owner", c)
			}
		}
	})
}

// With the caller everything in the view ends, however the caller ends.
func TestDryRunEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  ApplicationStart: [{location: start.sh, timeout: 300}]\n", 0o644},
			{"start.sh", "#!/bin/sh\nsetsid sh -c 'sleep 1000; :' background-" + filepath.Base(h.dir) + " &\nsh -c 'sleep 1000; :' hook-" + filepath.Base(h.dir) + "\n", 0o755},
		})
		for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM} {
			scratch := h.path("scratch-" + strconv.Itoa(int(signal)))
			if err := os.Mkdir(scratch, 0o755); err != nil {
				t.Fatal(err)
			}
			kept, args := 0, []string{bundle}
			if signal == syscall.SIGKILL {
				kept, args = 1, append(args, "--scratch", scratch)
			}
			cmd := h.dryRunCommand(who, args...)
			said, err := os.Create(h.path("said"))
			if err != nil {
				t.Fatal(err)
			}
			defer said.Close()
			cmd.Stdout, cmd.Stderr = said, said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				_ = cmd.Wait()
				close(ended)
			}()
			await(t, "the hook to run", func() bool {
				select {
				case <-ended:
					t.Fatalf("the dry run has ended before its hook ran:\n%s", h.read(said.Name()))
				default:
				}
				return len(withArgument("hook-"+filepath.Base(h.dir))) > 0
			})
			if entries, err := os.ReadDir(scratch); err != nil || len(entries) != kept {
				t.Errorf("the scratch directory has %v while it runs, want %d", entries, kept)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			<-ended
			if code := cmd.ProcessState.ExitCode(); signal != syscall.SIGKILL && code != 1 {
				t.Errorf("exit code %d after %s, want 1", code, signal)
			}
			await(t, "everything to end", func() bool {
				entries, err := os.ReadDir(scratch)
				return err == nil && len(entries) == 0 && len(withArgument(filepath.Base(h.dir))) == 0
			})
		}
	})
}

// await waits until something that processes outside of the test do has come true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// otherRoot lays out a root file system with a shell and what the shell needs.
func (h *host) otherRoot(name string) string {
	h.t.Helper()
	root := h.path(name)
	programs := []string{"/bin/sh", "/bin/cat", "/usr/bin/id"}
	for _, program := range programs {
		out, err := exec.Command("ldd", program).Output()
		if err != nil {
			h.t.Skipf("cannot find out what %s needs: %v", program, err)
		}
		for _, word := range append(strings.Fields(string(out)), program) {
			if !filepath.IsAbs(word) {
				continue
			}
			data, err := os.ReadFile(word)
			if err != nil {
				h.t.Fatal(err)
			}
			h.write(name+word, string(data))
			if err := os.Chmod(root+word, 0o755); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	h.write(name+"/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	h.write(name+"/etc/version", "other\n")
	return root
}

func TestDryRunOfAnotherRoot(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		root := h.otherRoot("image")
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", "version: 0.0\nos: linux\nfiles:\n  - source: conf\n    destination: /etc/app\nhooks:\n  AfterInstall: [{location: after.sh, timeout: 60}]\n", 0o644},
			{"conf/app.conf", "x", 0o644},
			{"after.sh", "#!/bin/sh\ncat /etc/version\nid -u\necho new > /etc/version\nreboot\nsystemctl restart app\n[ -e " + h.dir + "/bundle ] && echo the host is here\nexit 0\n", 0o755},
		})
		if who != nil {
			h.own(int(who.Uid), int(who.Gid))
		}
		r := h.runDry(who, "--json", "--root", root, bundle)
		var report tried
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 {
			t.Fatalf("%+v: %v", r, err)
		}
		out := report.Hooks[0].Output
		if !strings.Contains(out, "[stdout]other\n[stdout]0\n") || strings.Contains(out, "the host is here") {
			t.Errorf("output:\n%s\nwant that the script finds the other root only", out)
		}
		if got, want := report.with("/etc/"), []string{"create /etc/app", "create /etc/app/app.conf", "overwrite /etc/version"}; !sameSet(got, want) {
			t.Errorf("changes %q, want %q", got, want)
		}
		if _, ok := report.service("reboot"); !ok {
			t.Errorf("services %+v, want the reboot", report.Services)
		}
		if h.read(root+"/etc/version") != "other\n" {
			t.Error("the other root was changed")
		}
	})
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// In a view there are no rights to make another one; what is to be done instead is said.
func TestDryRunWhereItIsForbidden(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("not running as root")
	}
	h := newHost(t)
	h.skipWithoutViews(nil)
	bundle := h.layOut("bundle", []file{
		{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  ApplicationStart: [{location: start.sh, timeout: 60}]\n", 0o644},
		{"start.sh", "#!/bin/sh\n" + binary + " dry-run " + h.dir + "/bundle; echo code $?\n", 0o755},
	})
	r := h.dryRun(nil, 0, "--once", bundle)
	for _, want := range []string{"cannot make a view of this host", "codedeploy-agent plan " + bundle, "code 1"} {
		if !strings.Contains(r.Hooks[0].Output, want) {
			t.Errorf("output %q, want %q", r.Hooks[0].Output, want)
		}
	}
}

// A shell in the view sees what the deployment has done.
func TestDryRunKeep(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		cmd := h.dryRunCommand(who, "--once", "--keep", h.layOut("bundle", h.revision("one", nil)))
		cmd.Stdin = strings.NewReader("cat " + h.dest + "/index.html; echo in the shell\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "one\nin the shell\n") || !strings.Contains(string(out), "Files that differ") {
			t.Errorf("%v\n%s\nwant the report and what was typed for the shell", err, out)
		}
		if _, err := os.Lstat(h.dest); err == nil {
			t.Error("the deployment is on the host")
		}
	})
}
