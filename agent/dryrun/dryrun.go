// Package dryrun runs a program on a copy-on-write view of this host, or of another root file system, and tells what it did there. The program
// sees the host's files and changes them as it likes: what it changes is kept in memory and is gone at the end. It has its own processes,
// network, IPC and name; programs that would reach the host's services or the network are replaced by stand-ins that record the call. The
// package knows nothing of deployments: it is given a program. Only Linux has what it takes.
package dryrun

import (
	"encoding/json"
	"os"

	"codedeploy-agent/agent/install"
)

// The hidden sub-commands under which the agent's binary works inside of a view. A program that uses this package must call Main for them
// before it does anything else.
const (
	initCommand      = "dry-run-init"      // the view's first process
	enterCommand     = "dry-run-enter"     // becomes a program of the view
	standInCommand   = "dry-run-stand-in"  // stands in for a program of the host
	janitorCommand   = "dry-run-janitor"   // removes a directory after its user
	superviseCommand = "dry-run-supervise" // is the parent of a service's processes
)

// MessagesFD is the file descriptor on which the program writes its messages: JSON values, see Options.Message.
const MessagesFD = 3

// Options say what is run on a view of what.
type Options struct {
	// Root is the root file system that is looked at; "" is this host's.
	Root string
	// HostNetwork gives the view this host's network; otherwise it has a loopback of its own and nothing else.
	HostNetwork bool
	// Scratch is a directory of this host in which the view's differences are kept while it exists; "" means in memory where that is possible.
	Scratch string
	// StandIns are the rules of the caller, see ParseRule.
	StandIns []Rule
	// Program is the program's arguments; the program is the running binary. Its working directory is Dir, or / if that is not in the view.
	Program []string
	Dir     string
	// Bring are files and directories of this host that are to be in the view, read-only, whatever its root: PathInView says where.
	Bring map[string]string
	// Message is called for each JSON value that the program writes to MessagesFD.
	Message func(json.RawMessage)
	// Output gets what the program writes to its standard output and error.
	Output *os.File
	// Shell, if not nil, is called at the end with what was observed; then a shell runs in the view on the caller's terminal.
	Shell func(*Observation)
}

// PathInView is where something of Options.Bring is found in the view.
func PathInView(name string) string { return private + "/brought/" + name }

// private is the view's directory for what belongs to the dry run itself. It is on a file system of its own.
const private = "/dev/codedeploy-dry-run"

// Observation is what a program did in a view.
type Observation struct {
	// Changes is how the file system differs from what it was, sorted by path.
	Changes []install.Change `json:"changes"`
	// Calls are the calls of stand-ins, in order.
	Calls []Call `json:"calls"`
	// Units are the services that were started in the view, by their units.
	Units []Unit `json:"units"`
	// Processes are those that still run, Ports what they listen on.
	Processes []Process `json:"processes"`
	Ports     []Port    `json:"ports"`
	// Warnings say what of the host could not be had in the view.
	Warnings []string `json:"warnings"`
}

// Call is one call of a stand-in.
type Call struct {
	// Event and Deployment are the hook's whose call it is, empty if no hook made it.
	Event      string   `json:"event,omitempty"`
	Deployment string   `json:"deployment,omitempty"`
	Command    []string `json:"command"`
	// Kind is what the program would have reached, see Names.
	Kind string `json:"kind"`
	// Answer is what was done instead, for people; Code is the exit code.
	Answer string `json:"answer"`
	Code   int    `json:"code"`
	// Question says that the call would only have asked how a service is.
	Question bool `json:"question,omitempty"`
}

// Unit is how a service fares that was started in the view.
type Unit struct {
	Name string `json:"name"`
	// State is "running", "waiting for its restart", "given up" (it was started too often in too short a time), "failed", "ended" or "stopped".
	State string `json:"state"`
	// Why is how its main process has ended the last time, empty if it has not.
	Why string `json:"why,omitempty"`
	// Restarts is how often it was started again because it had ended.
	Restarts int `json:"restarts"`
	// EndedOthers is how many processes its main process had left behind when it ended; systemd ends them, too.
	EndedOthers int `json:"ended_others,omitempty"`
	// Output is the end of what it wrote, if it is not well.
	Output string `json:"output,omitempty"`
}

// The states of a service that was started in the view.
const (
	unitRunning = "running"
	unitWaiting = "waiting for its restart"
	unitFailed  = "failed"
	unitGivenUp = "given up"
	unitEnded   = "ended"
	unitStopped = "stopped"
)

// Well says whether the service is as it should be.
func (u *Unit) Well() bool {
	return u.Restarts == 0 && u.EndedOthers == 0 && u.State != unitFailed && u.State != unitGivenUp && u.State != unitWaiting
}

// Process is a process that runs when the program has ended.
type Process struct {
	PID     int    `json:"pid"`
	User    string `json:"user"` // its name in the view, or its number
	Command string `json:"command"`
	// Event is the lifecycle event whose hook started it, Unit the service; both may be empty.
	Event string `json:"event,omitempty"`
	Unit  string `json:"unit,omitempty"`
}

// Port is a socket that a process listens on.
type Port struct {
	Protocol string `json:"protocol"` // tcp or udp, with a 6 for IPv6
	Address  string `json:"address"`
	Port     int    `json:"port"`
	PID      int    `json:"pid"`
}

// UnsupportedError says that this system does not allow a view.
type UnsupportedError struct{ Err error }

func (e *UnsupportedError) Error() string { return "cannot make a view of this host: " + e.Err.Error() }
func (e *UnsupportedError) Unwrap() error { return e.Err }

// settings are what the view's first process is told.
type settings struct {
	Options struct {
		Root     string
		StandIns []Rule
		Program  []string
		Dir      string
		Bring    map[string]string
	}
	User        bool // an ordinary user, root only inside
	HostNetwork bool
	Keep        bool
	Scratch     string // where the differences are kept; "" means in memory
}

// envelope is one message of the view's processes to the caller.
type envelope struct {
	Program     json.RawMessage `json:"program,omitempty"`
	Observation *Observation    `json:"observation,omitempty"`
	Exit        *int            `json:"exit,omitempty"`
	Error       string          `json:"error,omitempty"`
	Unsupported bool            `json:"unsupported,omitempty"`
}

// Messages writes the messages of a program that runs in a view.
type Messages struct{ encoder *json.Encoder }

// Send sends one message.
func (m *Messages) Send(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return m.encoder.Encode(envelope{Program: data})
}
