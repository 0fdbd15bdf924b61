package dryrun

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// broker does for an ordinary user what only root can do. In a user namespace in which nobody but the view's root exists, files of the host's
// root cannot be changed and nothing can be given to anybody else. The kernel asks the broker before such calls of the view's programs:
// it replaces the host's file by a copy that belongs to the view's root, or notes the new owner and lets the program believe it.
type broker struct {
	v     *view
	ours  *os.File
	other *os.File
}

// newBroker returns the broker for a program that is about to be started, nil where none is needed.
func (v *view) newBroker() (*broker, error) {
	if !v.settings.User || auditArch == 0 {
		return nil, nil
	}
	if v.broker == nil {
		v.broker = &owners{of: map[string]owner{}, labels: map[string]map[string]string{}, emptied: map[string]bool{}, layers: v.layers}
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &broker{v: v, ours: os.NewFile(uintptr(fds[0]), "broker"), other: os.NewFile(uintptr(fds[1]), "broker")}, nil
}

// childEnd is the file descriptor over which the program hands over its notifications.
func (b *broker) childEnd() uintptr { return b.other.Fd() }

// serve takes the notifications over and answers them, in the background, until the program and all that it has started have ended.
func (b *broker) serve() error {
	b.other.Close()
	defer b.ours.Close()
	data, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(b.ours.Fd()), data, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot watch over owners in the view: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		b.v.warnings = append(b.v.warnings, "files of the host's root cannot be changed in place and owners cannot be set: this system does not allow "+
			"to watch system calls; as root both work")
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	go b.answer(fds[0])
	return nil
}

// notification is the kernel's struct seccomp_notif, response its seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	_          uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

func (b *broker) answer(fd int) {
	defer unix.Close(fd)
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				return // nobody is left
			}
			continue
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // the program was killed while it waited
		}
		go func() {
			r := response{id: n.id}
			if done := b.v.broker.handle(&n); !done {
				r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
			}
			_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
		}()
	}
}

// handOver makes the kernel ask about this thread's calls and those of everything it starts, and hands the notifications to the broker. Where
// that is not allowed the program is started without.
func handOver(socket int) error {
	defer unix.Close(socket)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := watchFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const setModeFilter = 1
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		_, err := unix.Write(socket, []byte{0})
		return err
	}
	defer unix.Close(int(fd))
	return unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(fd)), nil, 0)
}

// watchFilter is the program that picks the calls the kernel asks about.
func watchFilter() []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		anyOf  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
		// Places in struct seccomp_data.
		numberAt, archAt, argsAt = 0, 4, 16
	)
	argument := func(n int) uint32 { // the lower half of it
		if littleEndian {
			return uint32(argsAt + 8*n)
		}
		return uint32(argsAt + 8*n + 4)
	}
	filter := []unix.SockFilter{
		{Code: load, K: archAt},
		{Code: equal, Jt: 1, K: auditArch},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
		{Code: load, K: numberAt},
	}
	for nr, w := range watchedCalls {
		if w.ifSet == 0 {
			filter = append(filter, unix.SockFilter{Code: equal, Jf: 1, K: nr}, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_USER_NOTIF})
			continue
		}
		filter = append(filter,
			unix.SockFilter{Code: equal, Jf: 4, K: nr},
			unix.SockFilter{Code: load, K: argument(w.flags)},
			unix.SockFilter{Code: anyOf, Jf: 1, K: w.ifSet},
			unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_USER_NOTIF},
			unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW})
	}
	return append(filter, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW})
}
