package dryrun

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pause is how long is waited between two looks at a service's processes.
const pause = 10 * time.Millisecond

// stateFile is what is known of a service that was started and has not been stopped since: the process that supervises it, or nothing.
func stateFile(name string) string { return filepath.Join(unitsDir, name+".active") }

// logFile takes what a service writes.
func logFile(name string) string { return filepath.Join(unitsDir, name+".log") }

func markActive(name, supervisor string) error {
	return os.WriteFile(stateFile(name), []byte(supervisor), 0o666)
}

func wasStarted(name string) bool {
	_, err := os.Stat(stateFile(name))
	return err == nil
}

// supervisorOf is the process that supervises a service, 0 if there is none.
func supervisorOf(name string) int {
	data, err := os.ReadFile(stateFile(name))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil || !slices.Contains(commandLine(pid), superviseCommand) {
		return 0
	}
	return pid
}

// processesOf are the running processes of a service, the oldest first: all that descend from the one that supervises it.
func processesOf(name string) []int {
	if supervisor := supervisorOf(name); supervisor != 0 {
		return descendants(supervisor)
	}
	return nil
}

// running says whether the service is active: that it has a process, or is a oneshot that stays.
func (u *unit) running() bool {
	if u.kind() == "oneshot" {
		return wasStarted(u.name) && u.get("RemainAfterExit", "no") != "no"
	}
	return len(processesOf(u.name)) > 0
}

// callOffFile tells the process that supervises a service that it is not to be started again.
func callOffFile(supervisor int) string {
	return filepath.Join(unitsDir, strconv.Itoa(supervisor)+".called-off")
}

func (u *unit) callOff() {
	if supervisor := supervisorOf(u.name); supervisor != 0 {
		_ = os.WriteFile(callOffFile(supervisor), nil, 0o666)
	}
}

// condition is how a service fares. The one who changes it is the process that supervises it, or whoever starts or stops it.
type condition struct {
	State    string
	Why      string // of its last end
	Restarts int    // since the view began
	Began    time.Time
	// EndedOthers is how many processes were ended because its main process had.
	EndedOthers int
}

func conditionFile(name string) string { return filepath.Join(unitsDir, name+".condition") }

func conditionOf(name string) condition {
	var c condition
	if data, err := os.ReadFile(conditionFile(name)); err == nil {
		_ = json.Unmarshal(data, &c)
	}
	return c
}

// note changes what is known of a service.
func (u *unit) note(change func(*condition)) {
	c := conditionOf(u.name)
	change(&c)
	data, err := json.Marshal(c)
	if err != nil {
		return
	}
	temporary := conditionFile(u.name) + "." + strconv.Itoa(os.Getpid())
	if os.WriteFile(temporary, data, 0o666) == nil {
		_ = os.Rename(temporary, conditionFile(u.name))
	}
}

// startedUnits are how the services fare that were started in the view.
func startedUnits() []Unit {
	units := []Unit{}
	files, _ := filepath.Glob(conditionFile("*"))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".condition")
		c := conditionOf(name)
		u := Unit{Name: name, State: c.State, Why: c.Why, Restarts: c.Restarts, EndedOthers: c.EndedOthers}
		if !u.Well() {
			u.Output = lastLines(logFile(name), 10)
		}
		units = append(units, u)
	}
	return units
}

// settle gives services that have just been started the time to show whether they stay.
func settle() {
	const stays, longest = time.Second, 3 * time.Second
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(pause) {
		files, _ := filepath.Glob(conditionFile("*"))
		if !slices.ContainsFunc(files, func(file string) bool {
			c := conditionOf(strings.TrimSuffix(filepath.Base(file), ".condition"))
			return c.State == unitWaiting || c.State == unitRunning && time.Since(c.Began) < stays
		}) {
			return
		}
	}
}
