package dryrun

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/disk"
)

// memory is how much of the host's memory a view may take, in bytes: three quarters of what is free, for what is in it cannot be moved out.
func memory() uint64 {
	const least = 64 << 20
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return least
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "MemAvailable:" {
			if n, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				return max(least, n<<10/4*3)
			}
		}
	}
	return least
}

// room watches whether the place of the differences gets full: what programs say then is seldom the reason.
type room struct{ full atomic.Bool }

// watchRoom watches in the background.
func (v *view) watchRoom() {
	v.room = &room{}
	go func() {
		for ; ; time.Sleep(5 * pause) {
			if v.isFull() {
				v.room.full.Store(true)
				return
			}
		}
	}()
}

// isFull says whether nothing more can be written. Some file systems keep a last block or two.
func (v *view) isFull() bool {
	var st unix.Statfs_t
	return len(v.layers) > 0 && unix.Fstatfs(int(v.layers[len(v.layers)-1].upper.Fd()), &st) == nil && st.Bavail*uint64(st.Bsize) < 64<<10
}

// fullWarning is what is said when the place of the differences was full, "" if it was not.
func (v *view) fullWarning() string {
	if !v.room.full.Load() && !v.isFull() {
		return ""
	}
	var st unix.Statfs_t
	_ = unix.Fstatfs(int(v.layers[len(v.layers)-1].upper.Fd()), &st)
	if v.settings.Scratch != "" {
		return fmt.Sprintf("the file system of --scratch was full while the deployment ran: what failed for lack of room says nothing of the host (%s)", v.settings.Scratch)
	}
	return fmt.Sprintf("the memory for the view's differences was full (%s) while the deployment ran: what failed for lack of room says nothing of the host; "+
		"--scratch DIR keeps them on disk", disk.Size(int64(st.Blocks)*int64(st.Bsize)))
}
