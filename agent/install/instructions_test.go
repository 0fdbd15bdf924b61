package install

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestPathsInInstructionsAreJSON(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/srv/app/index.html", `/srv/"quoted"`, `/srv/back\slash`, "/srv/<a>&b", "/srv/tab\there", "/srv/line\nfeed", "/srv/\x00\x7f",
		"/srv/größe", "/srv/\u2028", "/srv/no\xfftext", ""} {
		var text bytes.Buffer
		w := instructionWriter{w: &text}
		w.add(`{"type":"mkdir","directory":`, path)
		w.flush()
		var got struct{ Type, Directory string }
		if err := json.Unmarshal(text.Bytes(), &got); err != nil || w.err != nil {
			t.Errorf("%q: %v, %v: %s", path, err, w.err, text.Bytes())
		}
		if utf8.ValidString(path) && got.Directory != path {
			t.Errorf("%q is read as %q", path, got.Directory)
		}
	}
}
