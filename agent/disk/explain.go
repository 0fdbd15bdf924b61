package disk

import (
	"errors"
	"fmt"
	"os"
)

// Explain adds to an error of writing below dir what the operator can do about it, with numbers where there are some: missing is how
// many more bytes were to be written, 0 if that is not known. It knows full disks, quotas and file systems without inodes, broken and
// read-only disks, and a process or system with too many open files. Other errors, and those that say it already, come back as they
// are.
func Explain(err error, dir string, missing int64) error {
	var full *Full
	var explained *explainedError
	if err == nil || errors.As(err, &full) || errors.As(err, &explained) {
		return err
	}
	what := ""
	switch kindOf(err) {
	case noSpace:
		what = noRoom(dir, missing).Error()
	case quota:
		what = "the disk quota of " + account() + " is used up at " + dir
		if missing > 0 {
			what += fmt.Sprintf(": %d more bytes are needed", missing)
		}
		what += "; raise it, free some of that account's files, or keep fewer revisions (max_revisions)"
	case broken:
		what = "the device of " + dir + " reports an error; look at the kernel's log (dmesg) and replace the disk or volume"
	case readOnly:
		what = "the file system of " + dir + " is read-only; look at the kernel's log (dmesg) for the reason, and mount it read-write"
	case filesOfProcess:
		what = fmt.Sprintf("the agent has as many files open as it may (%s); raise the limit, with systemd by LimitNOFILE=, and restart the agent", openLimit())
	case filesOfSystem:
		what = "the system has as many files open as it may; find the process that holds them (lsof), or raise fs.file-max"
	case tooBig:
		what = "a file there may not be that big: it is the limit of the file system of " + dir + " or of the agent (ulimit -f)"
	default:
		return err
	}
	return &explainedError{what, err}
}

// Trouble says whether an error is one of this host's disk or open files, not of what was to be written.
func Trouble(err error) bool {
	var full *Full
	return errors.As(err, &full) || err != nil && kindOf(err) != unknown
}

// noRoom says what a file system that has just refused a write is short of.
func noRoom(dir string, missing int64) *Full {
	room, ok := free(dir, false) // a write was refused: what is reserved is not for this process
	if ok && room.Files == 0 && room.Bytes > Reserve {
		return &Full{Dir: dir, Inodes: true}
	}
	return &Full{Dir: dir, Needed: missing, Available: room.Bytes}
}

// kind of an error that an operator can do something about.
type kind int

const (
	unknown kind = iota
	noSpace
	quota
	broken
	readOnly
	filesOfProcess
	filesOfSystem
	tooBig
)

type explainedError struct {
	what string
	err  error
}

func (e *explainedError) Error() string { return e.err.Error() + ": " + e.what }
func (e *explainedError) Unwrap() error { return e.err }

// account is whose quota counts.
func account() string { return fmt.Sprintf("the user with the id %d", os.Geteuid()) }
