package dryrun

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"codedeploy-agent/hooks/runner"
)

// leftRunning lists the view's processes, without its own, and what they listen on. Ended processes that nobody has asked about are none.
func leftRunning() ([]Process, []Port, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find out what still runs: %w", err)
	}
	parents := parentsOfAll()
	processes, sockets := []Process{}, map[string]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		argv := commandLine(pid)
		if argv == nil {
			continue // gone, or ended
		}
		if len(argv) > 1 && (argv[1] == runner.Command || argv[1] == superviseCommand) {
			continue // our own: the first keeps the output of what a hook left running
		}
		p := Process{PID: pid, Command: strings.Join(argv, " ")}
		if info, err := os.Stat(dir); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				p.User = userName(int(stat.Uid))
			}
		}
		if p.Unit = unitOf(pid, parents); p.Unit == "" {
			p.Event = environmentOf(pid)["LIFECYCLE_EVENT"]
		}
		processes = append(processes, p)
		fds, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, fd := range fds {
			if target, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil {
				if _, taken := sockets[target]; !taken {
					sockets[target] = pid
				}
			}
		}
	}
	slices.SortStableFunc(processes, func(a, b Process) int { return a.PID - b.PID })
	return processes, listening(sockets), nil
}

// commandLine is a process's command line, nil if it has ended.
func commandLine(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
}

// environmentOf is what a process was started with.
func environmentOf(pid int) map[string]string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	all := map[string]string{}
	for _, kv := range strings.Split(string(data), "\x00") {
		if name, value, ok := strings.Cut(kv, "="); ok {
			all[name] = value
		}
	}
	return all
}

// parentsOfAll are the parents of all processes that have not ended.
func parentsOfAll() map[int]int {
	parents := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		// pid (name) state parent …, and the name may have anything in it
		fields := strings.Fields(string(data[strings.LastIndex(string(data), ")")+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			parents[pid] = parent
		}
	}
	return parents
}

// descendants are the processes that descend from another, the oldest first.
func descendants(from int) []int {
	parents := parentsOfAll()
	var pids []int
	for pid := range parents {
		if descends(pid, from, parents) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// descends says whether a process descends from another.
func descends(pid, from int, parents map[int]int) bool {
	for at := parents[pid]; at > 1; at = parents[at] {
		if at == from {
			return true
		}
	}
	return false
}

// unitOf is the service that a process is of, "" if of none.
func unitOf(pid int, parents map[int]int) string {
	for at := parents[pid]; at > 1; at = parents[at] {
		if unit := environmentOf(at)[unitVariable]; unit != "" {
			return unit
		}
	}
	return ""
}

// listening lists the ports whose sockets are among these, by the process that has them.
func listening(sockets map[string]int) []Port {
	ports := []Port{}
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open("/proc/net/" + protocol)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 {
				continue
			}
			const listen, unconnected = "0A", "07"
			if fields[3] != listen && !(strings.HasPrefix(protocol, "udp") && fields[3] == unconnected) {
				continue
			}
			pid, ok := sockets["socket:["+fields[9]+"]"]
			address, port, err := parseAddress(fields[1])
			if ok && err == nil {
				ports = append(ports, Port{Protocol: protocol, Address: address.String(), Port: port, PID: pid})
			}
		}
		f.Close()
	}
	slices.SortStableFunc(ports, func(a, b Port) int { return a.Port - b.Port })
	return ports
}

// parseAddress reads an address of /proc/net: each 32 bits of it in hexadecimal digits of this machine's order, a colon and the port.
func parseAddress(s string) (netip.Addr, int, error) {
	digits, portDigits, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	if littleEndian {
		for i := 0; i+4 <= len(raw); i += 4 {
			slices.Reverse(raw[i : i+4])
		}
	}
	address, ok := netip.AddrFromSlice(raw)
	port, err := strconv.ParseUint(portDigits, 16, 16)
	if !ok || err != nil {
		return netip.Addr{}, 0, fmt.Errorf("cannot read the address %q", s)
	}
	return address, int(port), nil
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
