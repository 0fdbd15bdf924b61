//go:build unix

package main

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// serviceManager is a service manager's socket that remembers what it is told.
type serviceManager struct {
	mu   sync.Mutex
	told []string
}

func (h *host) superviseWith(watchdog time.Duration) *serviceManager {
	h.t.Helper()
	path := filepath.Join(h.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	h.give(path)
	m := new(serviceManager)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.told = append(m.told, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	h.env = append(h.env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC="+strconv.FormatInt(watchdog.Microseconds(), 10))
	return m
}

// heard says how many messages begin with the prefix.
func (m *serviceManager) heard(prefix string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.told {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func (m *serviceManager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told)
}

func (m *serviceManager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = nil
}

func (h *host) waitToHear(m *serviceManager, prefix string) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); m.heard(prefix) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("the service manager is not told %q but %q", prefix, m.all())
		}
	}
}

// The agent is ready when it knows who it is and the service has answered; before, it says for what it waits and asks for more time.
func TestReadyWhenTheServiceAnswers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := h.superviseWith(300 * time.Millisecond)
	h.metadata.Break(rehearsal.Forever)
	h.service.Inject(rehearsal.Fault{Operation: "PollHostCommand", Kind: rehearsal.Unavailable, Times: rehearsal.Forever})
	h.start()
	h.waitToHear(m, "STATUS=waiting for identity: cannot learn from instance metadata")
	h.waitToHear(m, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=")
	h.metadata.Break(0)
	h.waitToHear(m, "STATUS=waiting for the service: ")
	if m.heard("READY=1") != 0 {
		t.Errorf("ready before the service has answered: %q", m.all())
	}
	h.service.ClearFaults()
	h.waitToHear(m, "READY=1")
	h.waitToHear(m, "STATUS=polling for commands")
	m.forget()
	h.waitToHear(m, "WATCHDOG=1")
	if code := h.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.waitToHear(m, "STOPPING=1") // which may still be on its way
	if m.heard("STOPPING=1") != 1 || m.heard("READY=1") != 0 {
		t.Errorf("told %q, want STOPPING=1 once and no second READY=1", m.all())
	}
}

// Long hooks leave the watchdog fed, also when no further command can be taken.
func TestLongHooksFeedTheWatchdog(t *testing.T) {
	t.Parallel()
	h := newHost(t, "max_concurrent_commands: 1")
	m := h.superviseWith(300 * time.Millisecond)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"AfterInstall": "touch " + h.path("running") + "; while [ ! -e " + h.path("go") + " ]; do sleep 0.05; done"}))
	for _, name := range []string{"DownloadBundle", "Install"} {
		if r := h.command(name, spec); !r.Succeeded() {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	c := h.send("AfterInstall", spec)
	h.waitFor(h.path("running"))
	m.forget()
	h.waitToHear(m, "WATCHDOG=1")
	h.write("go", "")
	if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() {
		t.Errorf("AfterInstall: %+v, %v", r, err)
	}
}

// An agent that hands over ends within seconds and without an error, a hook goes on, and the next agent reports its result.
func TestHandOver(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"AfterInstall": "touch " + h.path("running") + "; while [ ! -e " + h.path("go") + " ]; do sleep 0.05; done"}))
	for _, name := range []string{"DownloadBundle", "Install"} {
		if r := h.command(name, spec); !r.Succeeded() {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	c := h.send("AfterInstall", spec)
	h.waitFor(h.path("running"))
	began := time.Now()
	h.signal(syscall.SIGUSR2)
	if code := h.wait(); code != 0 || time.Since(began) > 20*time.Second {
		t.Errorf("exit code %d after %s, want 0 within seconds", code, time.Since(began))
	}
	h.start()
	h.write("go", "")
	if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() {
		t.Errorf("AfterInstall: %+v, %v", r, err)
	}
	h.wantNotes("AfterInstall one")
}
