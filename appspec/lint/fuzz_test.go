package lint

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"codedeploy-agent/appspec/allowance"
)

// FuzzLint checks any AppSpec with any script: nothing panics, the same input gives the same report, every problem is of a rule in the table
// and stands where its file has a line.
func FuzzLint(f *testing.F) {
	for _, m := range append(append(append([]mistake{}, languageMistakes...), bundleMistakes...), scriptMistakes...) {
		var spec, script string
		b := fstest.MapFS{}
		name := ""
		for line := range strings.Lines(strings.ReplaceAll(m.text, here, "")) {
			if n, ok := strings.CutPrefix(line, "-- "); ok {
				name = n
				b[name] = &fstest.MapFile{}
				continue
			}
			b[name].Data = append(b[name].Data, line...)
		}
		for name, file := range b {
			if strings.HasPrefix(name, "appspec.") {
				spec = string(file.Data)
			} else if strings.HasPrefix(name, "scripts/") {
				script = string(file.Data)
			}
		}
		f.Add(spec, script, m.options.Finished)
	}
	f.Add("version: 0.0\nos: linux\nhooks: {ApplicationStop: &a [{location: s}], ApplicationStart: *a, ValidateService: *a}\n", "f() { f & }; f; f | f && ! f >&2 2>&1 &\nexec >&3 >(f)\n`f`", true)
	f.Add("version: 0.0\nos: windows\nfiles: [{source: \\, destination: c:\\a}]\nhooks: {AfterInstall: [{location: s}]}\n", "\xFF\xFE", false)
	f.Fuzz(func(t *testing.T, spec, script string, whole bool) {
		check := func() *Report {
			return Bundle(fstest.MapFS{
				"appspec.yml": {Data: []byte(spec)}, "scripts/a.sh": {Data: []byte(script), Mode: 0o755}, "s": {Data: []byte(script)}, "app/index.html": {}, "app/lib/x.sh": {},
			}, Options{Finished: whole})
		}
		var r *Report
		allowance.Hold(t, func() { r = check() })
		if again := check(); !reflect.DeepEqual(r.Problems, again.Problems) {
			t.Fatalf("two reports of one bundle differ:\n%v\n%v", r.Problems, again.Problems)
		}
		for _, p := range r.Problems {
			if _, ok := Known(p.Rule); !ok || rank(p.Severity) < 1 || p.Message == "" || p.File == "" || !utf8.ValidString(p.Message+p.Hint) && utf8.ValidString(spec+script) {
				t.Errorf("%+v", p)
			}
			text := spec
			if p.File != "appspec.yml" {
				text = script
			}
			if wide := strings.HasPrefix(text, "\xFF\xFE") || strings.HasPrefix(text, "\xFE\xFF"); wide {
				continue // UTF-16, whose lines are not to be seen in its bytes
			}
			lines := 1
			for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} { // what ends a line in YAML 1.1
				lines += strings.Count(text, end)
			}
			if p.Line > lines || p.Line > 0 && p.Column < 1 {
				t.Errorf("%s has %d lines: %+v", p.File, lines, p)
			}
		}
	})
}
