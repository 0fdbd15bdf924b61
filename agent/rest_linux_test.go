package agent

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestPristine(t *testing.T) {
	t.Parallel()
	const maps = `00400000-009e3000 r-xp 00000000 fe:00 9977859                            /opt/an agent
Size:               6028 kB
Anonymous:             0 kB
009e3000-00fe7000 r--p 005e3000 fe:00 9977859                            /opt/an agent
Anonymous:             4 kB
00fe7000-01053000 rw-p 00be7000 fe:00 9977859                            /opt/an agent
Anonymous:             0 kB
01053000-01055000 r--p 00be7000 fe:00 9977859                            /opt/an agent
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 4711                       /opt/an agent2
Anonymous:             0 kB
7f0000001000-7f0000002000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
7ffe8f0c1000-7ffe8f0e2000 rw-p 00000000 00:00 0                          [stack]
Anonymous:            12 kB
VmFlags: rd wr
`
	want := []addresses{{0x400000, 0x9e3000}, {0x1053000, 0x1055000}}
	if got := pristine(strings.NewReader(maps), "/opt/an agent"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// The program runs on after its pages are gone, and its code is among them.
func TestReleaseCode(t *testing.T) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	resident := func() (kilobytes int) {
		text, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(string(text), "r-xp")
		_, code, _ = strings.Cut(code, "Rss:")
		if _, err := fmt.Sscan(code, &kilobytes); err != nil {
			t.Fatal(err)
		}
		return kilobytes
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	if len(pristine(maps, program)) == 0 {
		t.Fatal("no mapping of the program is found")
	}
	before := resident()
	releaseCode()
	if after := resident(); after >= before {
		t.Errorf("resident code: %d kB before, %d kB after", before, after)
	}
}
