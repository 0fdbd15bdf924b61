//go:build unix

package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What was printed on stdout before something on stderr is logged before it, so that the reason of a failure is the end of the tail.
func TestStderrComesAfterWhatWasPrintedBefore(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"the reason\n", "the reason"} {
		outR, outW, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		errR, errW, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		log, err := openLog(filepath.Join(t.TempDir(), "scripts.log"), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		o := &output{scripts: log, tail: new(Tail), now: time.Now}
		for i := range 1000 {
			fmt.Fprintf(outW, "line %d of the output\n", i)
		}
		fmt.Fprint(errW, reason)
		outW.Close()
		errW.Close()
		o.copyStreams(outR, errR)
		lines, err := o.seal()
		if want := []string{"[stdout]line 999 of the output\n", "[stderr]" + reason}; err != nil || len(lines) < 2 || !slices.Equal(lines[len(lines)-2:], want) {
			t.Errorf("the tail ends with %q, %v; want %q", lines, err, want)
		}
		data, err := os.ReadFile(log.path)
		if err != nil || strings.Count(string(data), "\n") != 1000+strings.Count(reason, "\n") {
			t.Errorf("the log has %d lines, %v; want 1001, the last one as the script has left it", strings.Count(string(data), "\n"), err)
		}
	}
}
