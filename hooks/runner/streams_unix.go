//go:build unix

package runner

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// pipeSize is how much a pipe holds on the usual systems.
const pipeSize = 64 << 10

// copyStreams logs what a script prints until both outputs have ended. Nobody can tell in which order a script wrote to two pipes, but
// what it says at last on stderr is why it failed, and the service gets the end of the output only. So what was on stdout before something
// on stderr always comes before it.
func (o *output) copyStreams(stdout, stderr *os.File) {
	defer runtime.KeepAlive(stdout)
	defer runtime.KeepAlive(stderr)
	streams := [2]stream{{out: o, mark: "[stdout]"}, {out: o, mark: "[stderr]"}}
	fds := [2]unix.PollFd{{Fd: int32(stdout.Fd()), Events: unix.POLLIN}, {Fd: int32(stderr.Fd()), Events: unix.POLLIN}}
	open := func(i int) bool { return fds[i].Fd >= 0 }
	end := func(i int) {
		streams[i].end()
		fds[i].Fd = -1 // poll passes it over
	}
	// wait waits until there is something to read, and says of what.
	wait := func(timeout int) (ready [2]bool) {
		if timeout < 0 {
			o.intake.busy.Store(0)
		}
		_, err := unix.Poll(fds[:], timeout)
		o.intake.busy.Store(1)
		if err != nil && err != unix.EINTR {
			o.mu.Lock()
			o.note(err)
			o.mu.Unlock()
			end(0)
			end(1)
		}
		for i := range fds {
			ready[i] = err == nil && open(i) && fds[i].Revents != 0
		}
		return ready
	}
	read := func(i int, buf []byte) int {
		n, err := unix.Read(int(fds[i].Fd), buf)
		for err == unix.EINTR {
			n, err = unix.Read(int(fds[i].Fd), buf)
		}
		o.intake.bytes.Add(int64(max(n, 0)))
		return max(n, 0) // an error is an end
	}
	first, last := make([]byte, pipeSize), make([]byte, pipeSize)
	ended := false // stdout has, which is told after what came on stderr before: only now a last line without an end is known to be one
	readFirst := func(limit int) int {
		n := read(0, first[:limit])
		streams[0].add(first[:n])
		ended = n == 0
		return n
	}
	for open(0) || open(1) {
		switch ready := wait(-1); {
		case ready[1]:
			n := read(1, last)
			for left := pipeSize; left > 0 && open(0) && !ended && wait(0)[0]; {
				left -= readFirst(left)
			}
			if streams[1].add(last[:n]); n == 0 && open(1) {
				end(1)
			}
		case ready[0]:
			readFirst(pipeSize)
		}
		if ended && open(0) {
			end(0)
		}
	}
}
