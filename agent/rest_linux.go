package agent

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseCode takes the pages of the program itself out of the process. Most of what a start or a deployment runs is not needed for a poll; what is
// needed is mapped again when it is used, from the kernel's cache as a rule. What cannot be taken out stays.
func releaseCode() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, r := range pristine(maps, program) {
		unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED)
	}
}

// addresses are those of a mapping; to is the first behind it.
type addresses struct{ from, to uintptr }

// pristine finds the mappings of a file, in the form of /proc/PID/smaps, that cannot be written and have not been: in programs that are loaded
// anywhere (PIE), the loader has written into some, and these writes would be lost.
func pristine(maps io.Reader, file string) []addresses {
	var found []addresses
	var r addresses
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		line := lines.Text()
		if fields := strings.Fields(line); len(fields) > 5 && strings.Contains(fields[0], "-") {
			r = addresses{}
			if from, to, _ := strings.Cut(fields[0], "-"); fields[1][1] == '-' && strings.HasSuffix(line, " "+file) {
				low, err := strconv.ParseUint(from, 16, 64)
				high, err2 := strconv.ParseUint(to, 16, 64)
				if err == nil && err2 == nil {
					r = addresses{uintptr(low), uintptr(high)}
				}
			}
		} else if r.to > 0 && len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0" {
			found = append(found, r)
		}
	}
	return found
}
