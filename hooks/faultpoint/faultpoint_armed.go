//go:build faultpoints

package faultpoint

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The environment of a process with armed points.
const (
	// Trace names a file to which each process appends the points that it passes, a line each.
	Trace = "CODEDEPLOY_FAULTPOINT_TRACE"
	// Plan says what happens where: "kill", an error's name such as ENOSPC, or "panic"; then the point and which of this process's
	// passes of it counts, from 1; then a file that is made when it happens and that keeps it from happening again.
	// The parts are separated by "|", plans by ";".
	Plan = "CODEDEPLOY_FAULTPOINT_PLAN"
	// Hanging is the name of a place, "|", and a file: when the file is there, the place removes it and hangs.
	Hanging = "CODEDEPLOY_FAULTPOINT_HANG"
)

var (
	mu     sync.Mutex
	passes = map[string]int{}
)

var errnos = map[string]syscall.Errno{
	"ENOSPC": syscall.ENOSPC, "EIO": syscall.EIO, "EROFS": syscall.EROFS, "EMFILE": syscall.EMFILE, "EDQUOT": syscall.EDQUOT, "EACCES": syscall.EACCES,
}

// At is a point with a name. It returns the error that the work at this place is to fail with.
func At(point string) error {
	mu.Lock()
	defer mu.Unlock()
	point = strings.NewReplacer("|", "/", ";", ",", "\n", " ").Replace(point)
	passes[point]++
	if path := os.Getenv(Trace); path != "" {
		if f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666); err == nil {
			fmt.Fprintf(f, "%s|%d\n", point, passes[point])
			f.Close()
		}
	}
	for plan := range strings.SplitSeq(os.Getenv(Plan), ";") {
		if p := strings.Split(plan, "|"); len(p) == 4 && p[1] == point && p[2] == strconv.Itoa(passes[point]) && first(p[3]) {
			return happen(p[0], point)
		}
	}
	return nil
}

// Hang is a place where the process can be made to hang. The rest of the process goes on.
func Hang(place string) {
	if name, path, ok := strings.Cut(os.Getenv(Hanging), "|"); ok && name == place && os.Remove(path) == nil {
		select {}
	}
}

// first says whether it has not happened before.
func first(path string) bool {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

func happen(what, point string) error {
	switch what {
	case "kill":
		kill()
	case "panic":
		panic("fault point " + point)
	}
	errno, ok := errnos[what]
	if !ok {
		panic("no such fault: " + what)
	}
	return &fs.PathError{Op: "write", Path: point, Err: errno}
}

// kill ends the process as a SIGKILL from outside does: nothing is flushed, deferred or told.
func kill() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		p.Kill()
	}
	select {}
}
