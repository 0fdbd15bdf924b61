package appspec

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"codedeploy-agent/appspec/allowance"
)

// FuzzParse looks for files that crash the parser, make it hang, or make it say something that cannot be.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"",
		head,
		head + "hooks:\n  Install:\n    - location: a\n      timeout: 5m\n      sudo: y\npermissions:\n  - object: /a\n    mode: 0644\n    acls: [a:b, d:m:7]\n",
		head + "files:\n  - source: /\n    destination: /srv\nfile_exists_behavior: RETAIN\n",
		head + "permissions:\n  - object: /a\n    pattern: \"*.sh\"\n    except: [a]\n    type:\n      - file\n    mode: 0x1ff\n    context: {name: u, type: t, range: 's0-s3:c1.c3,c7'}\n",
		"a: &a {<<: *a}\nversion: 0.0\nos: linux\nfiles: [*a, *a]\n",
		"x: &x {location: a}\n" + head + "hooks: {A: [{<<: [*x, *x], timeout: 1:30}, *x]}\n",
		" version: 0.0\n os: linux\nhooks:\n",
		"%YAML 1.2\n---\n" + head + "...\n---\n{a: b}\n",
		"{\"version\": 0.0, \"os\": \"linux\", \"x\": \"\\/\\u00e9\"}",
		"\uFEFF" + head + "# \xff",
		"\xff\xfev\x00e\x00",
		head + "hooks:\n  A:\n    - location: a\n    timeout:5\n",
		head + "hooks:\n  - location: |\n      a\n    b: >-\n     c\n",
		"version 0.0\r\nos: linux\r\n\t- x\r\n",
		"? version\n: !!float '0'\n? os\n: !!str linux\n",
		head + "hooks: no\nfiles: {}\npermissions: ~\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a *AppSpec
		var err error
		allowance.Hold(t, func() { a, err = Parse("appspec.yml", data) })
		again, errAgain := Parse("appspec.yml", data)
		if !reflect.DeepEqual(a, again) || !reflect.DeepEqual(err, errAgain) {
			t.Fatalf("read twice it is not the same: %+v, %v and %+v, %v", a, err, again, errAgain)
		}
		lines := 1 + bytes.Count(data, []byte{'\n'}) + bytes.Count(data, []byte{'\r'}) + bytes.Count(data, []byte("\u0085")) + bytes.Count(data, []byte("\u2028")) + bytes.Count(data, []byte("\u2029"))
		check := func(problems []Problem, severity Severity) {
			for _, p := range problems {
				if p.Line < 0 || wide(data) == nil && p.Line > lines || p.Column < 0 || (p.Line == 0) != (p.Column == 0) || p.Rule == "" || p.Message == "" || p.Severity != severity {
					t.Fatalf("%+v of %d lines", p, lines)
				}
			}
		}
		if err != nil {
			var e *Error
			if a != nil || !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("%v, %v", a, err)
			}
			check(e.Problems, Failing)
			return
		}
		check(a.Warnings, Warning)
		if a.OS != "linux" && a.OS != "windows" || a.OS == "windows" && a.Permissions != nil {
			t.Fatalf("%+v", a)
		}
		for _, h := range a.Hooks {
			for _, s := range h.Scripts {
				if s.Location == "" || s.Timeout < 1e9 || s.Timeout > maxTimeout {
					t.Fatalf("%+v", s)
				}
			}
			if len(h.Scripts) == 0 || a.Scripts(h.Event) == nil {
				t.Fatalf("%+v", h)
			}
		}
		for _, p := range a.Permissions {
			if p.Object == "" || p.Mode != nil && p.Mode.Perm() > 0o7777 {
				t.Fatalf("%+v", p)
			}
		}
	})
}
