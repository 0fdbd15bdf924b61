package install

import (
	"path/filepath"
	"reflect"
	"testing"
)

// What is written fast is read as what it was.
func TestRecordIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "record")
	r := &record{path: path, replaced: "/srv/<kept>", instructions: savedInstructions{Path: "/opt/g-install.json", SHA256: []byte{1, 2}},
		lists: []savedList{{Path: "/opt/g-cleanup", Found: true, Mode: 0o644, Content: "/srv/a\n\xff\n"}}}
	for i, name := range []string{"plain", `"quoted"`, `back\slash`, "<a>&b", "line\nfeed", "größe", "no\xfftext"} {
		r.moves = append(r.moves, &move{dir: "/srv/" + name, temp: tempPrefix + "0123abcd-" + string(rune('1'+i)), name: name, path: "/srv/" + name + "/" + name,
			was: identity{regular, 1<<64 - 1, uint64(i), -5}, new: identity{link, 7, 1 << 63, 1 << 62}})
	}
	if err := r.begin(); err != nil {
		t.Fatal(err)
	}
	r.attributes = []savedAttributes{{Dir: "/srv", Name: "d", UID: 1, GID: 2, Mode: 0o755, Lists: map[string][]byte{aclAccess: {3}}}}
	if err := r.place(); err != nil {
		t.Fatal(err)
	}
	if err := r.context("/srv/labelled"); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.moves) != len(r.moves) {
		t.Fatalf("%d moves are read, want %d", len(got.moves), len(r.moves))
	}
	for i, m := range r.moves {
		if !reflect.DeepEqual(got.moves[i], m) {
			t.Errorf("read %+v, want %+v", got.moves[i], m)
		}
	}
	if got.moves = r.moves; !reflect.DeepEqual(got, r) {
		t.Errorf("read %+v, want %+v", got, r)
	}
}
