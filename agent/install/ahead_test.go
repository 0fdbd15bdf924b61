package install

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// told is what list tells of a directory and all directories in it, one after another.
func told(list func(string, func(named) error) error, dir string) (names []string, err error) {
	err = list(dir, func(e named) error {
		path := filepath.Join(dir, e.name)
		names = append(names, fmt.Sprintf("%s %s %d", path, e.info.kind, e.info.size))
		if e.info.kind != directory {
			return nil
		}
		inside, err := told(list, path)
		names = append(names, inside...)
		return err
	})
	return names, err
}

func TestReadingAheadTellsTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 70 {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", i%7), fmt.Sprintf("e%d", i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		for n := range 5 + i%3*listedAtOnce/2 {
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%d", n)), make([]byte, n), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	want, err := told(func(dir string, each func(named) error) (err error) {
		unpacked{}.pieces(dir, func(p piece) bool {
			for _, e := range p.entries {
				err = errors.Join(err, each(e))
			}
			err = errors.Join(err, p.err)
			return err == nil
		})
		return err
	}, dir)
	if err != nil || len(want) < 77+70*5 {
		t.Fatalf("%d entries, %v", len(want), err)
	}
	r := newAhead()
	defer r.stop()
	for range 2 {
		got, err := told(r.list, dir)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read ahead: %d entries of %d, or others, %v", len(got), len(want), err)
		}
	}
}

func TestReadingAheadEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 10 {
		for n := range 3 * listedAtOnce { // more than is read before it is asked for
			if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(i), fmt.Sprint(n)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := newAhead()
	stopped := errors.New("stopped")
	if _, err := told(func(dir string, each func(named) error) error {
		return r.list(dir, func(named) error { return stopped })
	}, dir); err != stopped {
		t.Errorf("list returns %v, want %v", err, stopped)
	}
	if err := r.list(filepath.Join(dir, "none"), nil); !missing(err) {
		t.Errorf("of a directory that is not there list says %v", err)
	}
	r.stop() // hangs if a goroutine does not end
}
