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
	// The parts are separated by "|".
	Plan = "CODEDEPLOY_FAULTPOINT_PLAN"
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
	point = strings.NewReplacer("|", "/", "\n", " ").Replace(point)
	passes[point]++
	if path := os.Getenv(Trace); path != "" {
		if f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666); err == nil {
			fmt.Fprintf(f, "%s|%d\n", point, passes[point])
			f.Close()
		}
	}
	plan := strings.Split(os.Getenv(Plan), "|")
	if len(plan) != 4 || plan[1] != point || plan[2] != strconv.Itoa(passes[point]) {
		return nil
	}
	once, err := os.OpenFile(plan[3], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil // it has happened
	}
	once.Close()
	switch plan[0] {
	case "kill":
		kill()
	case "panic":
		panic("fault point " + point)
	}
	errno, ok := errnos[plan[0]]
	if !ok {
		panic("no such fault: " + plan[0])
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
