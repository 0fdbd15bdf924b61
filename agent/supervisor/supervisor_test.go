package supervisor

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// manager is a service manager that remembers what it is told.
type manager struct {
	mu   sync.Mutex
	told []string
}

func (m *manager) supervisor(every time.Duration) *Supervisor {
	return newSupervisor(zap.NewNop(), func(s string) string { return strings.ReplaceAll(s, "secret", "***") }, every, time.Now, func(state string) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told = append(m.told, state)
		return nil
	})
}

// heard is what the manager was told since it was last asked.
func (m *manager) heard() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	told := m.told
	m.told = nil
	return told
}

func count(told []string, prefix string) (n int) {
	for _, s := range told {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := new(manager)
		s := m.supervisor(10 * time.Second)
		s.Status("waiting for %s\nand more secret", "identity")
		s.Status("waiting for %s\nand more secret", "identity") // is told once
		s.Ready()
		s.Ready()
		s.Stopping(time.Minute)
		s.Ready() // too late
		want := []string{`STATUS=waiting for identity\nand more ***`, "READY=1", "STOPPING=1", "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=130000000"}
		if told := m.heard(); !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// While the agent waits to become ready its time to start is extended; afterwards the watchdog is fed.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := new(manager)
		s := m.supervisor(10 * time.Second)
		go s.live()
		defer s.Close()
		s.Expect(0)
		time.Sleep(61 * time.Second)
		told := m.heard()
		if n := count(told, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC="); n != 7 {
			t.Errorf("the time to start was extended %d times in a minute, want 7: %q", n, told)
		}
		s.Ready()
		time.Sleep(time.Minute)
		if told := m.heard(); count(told, "WATCHDOG=1") != 6 || count(told, "WATCHDOG=1\nEXTEND") != 0 {
			t.Errorf("told %q, want six times WATCHDOG=1", told)
		}
	})
}

func TestAHungAgentGivesNoSignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := new(manager)
		s := m.supervisor(10 * time.Second)
		go s.live()
		defer s.Close()
		s.Ready()
		s.Expect(time.Minute)
		time.Sleep(61 * time.Second)
		m.heard()
		time.Sleep(time.Minute)
		if told := m.heard(); len(told) != 0 {
			t.Errorf("an agent that is not heard of says %q", told)
		}
		s.Expect(time.Minute) // it was only slow
		time.Sleep(11 * time.Second)
		if count(m.heard(), "WATCHDOG=1") == 0 {
			t.Error("an agent that is heard of again gives no sign of life")
		}
	})
}

func TestNobodySupervises(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s := New(zap.NewNop(), nil)
	if s != nil {
		t.Fatal("there is a service manager without NOTIFY_SOCKET")
	}
	s.Status("idle")
	s.Expect(time.Second)
	s.Ready()
	s.Stopping(time.Second)
	s.Close()
}
