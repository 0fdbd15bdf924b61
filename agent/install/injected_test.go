package install

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"
)

// What is not read as JSON injects nothing, and names of all kinds but the simplest are read.
func TestNamesFitLines(t *testing.T) {
	t.Parallel()
	for name, simple := range map[string]bool{
		"/srv/app/index.html": true, "/srv/a b/c": true, "/srv/app ": false, " /srv/app": false, "/srv/app\n/etc/passwd": false, "/srv/app\t": false,
		"/srv/app\u00a0": false, "/srv/\u0085": false, "/srv/\x00": false, `/srv/a"b`: false, "/srv/é": false, "": true,
	} {
		var form struct {
			Instructions []map[string]string `json:"instructions"`
		}
		form.Instructions = append(form.Instructions, map[string]string{"type": "copy", "source": "/x", "destination": name})
		text, err := json.Marshal(form)
		if err != nil {
			t.Fatal(err)
		}
		if got := namesFitLines(iotest.OneByteReader(bytes.NewReader(text))); got != simple {
			t.Errorf("%q: %t", name, got)
		}
		if parts := injected(text); simple && len(parts) > 0 {
			t.Errorf("%q injects %v", name, parts)
		}
	}
	if namesFitLines(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(`{"instructions":[]}`)))) {
		t.Error("what cannot be read is taken for simple")
	}
}

func TestBackwards(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "a\n", "a\nb\n", "a\n\nb", "\n\n", "a"} {
		var got []string
		for line := range backwards(text, '\n') {
			got = append([]string{line}, got...)
		}
		if joined := strings.Join(got, "\n"); joined != text || len(got) != strings.Count(text, "\n")+1 {
			t.Errorf("%q: %q", text, got)
		}
	}
}
