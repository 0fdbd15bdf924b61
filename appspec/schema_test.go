package appspec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compiled(t *testing.T, strict bool) *jsonschema.Schema {
	t.Helper()
	text, err := Schema(strict)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("appspec.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("appspec.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML document as an editor gives it to a schema. ok is false for what cannot be one.
func asJSON(t *testing.T, text string) (v any, ok bool) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return nil, false
	}
	data, err := json.Marshal(plainValue(v))
	if err != nil {
		return nil, false
	}
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v, true
}

func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = plainValue(x)
		}
	case map[any]any:
		out := map[string]any{}
		for k, x := range v {
			out[fmt.Sprint(k)] = plainValue(x)
		}
		return out
	case []any:
		for i, x := range v {
			v[i] = plainValue(x)
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

// corpusFile is a file of testdata/corpus.txt.
type corpusFile struct {
	name, text       string
	accepted, deeper bool
}

func corpus(t *testing.T) []corpusFile {
	t.Helper()
	data, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	var files []corpusFile
	for _, part := range strings.Split(string(data), "\n== ")[1:] {
		headline, text, _ := strings.Cut(part, "\n")
		verdict, name, ok := strings.Cut(headline, ": ")
		if !ok {
			t.Fatalf("the corpus has the headline %q", headline)
		}
		files = append(files, corpusFile{name, text + "\n", verdict == "accepted", verdict == "refused deeper"})
	}
	return files
}

// TestSchemaAgreesWithParser reads one corpus with both: what the parser accepts the schema accepts, and what it refuses the schema refuses,
// but for the few that no schema can know.
func TestSchemaAgreesWithParser(t *testing.T) {
	t.Parallel()
	schema := compiled(t, false)
	files := corpus(t)
	if len(files) < 60 {
		t.Errorf("the corpus has %d files", len(files))
	}
	for _, f := range files {
		_, err := Parse("appspec.yml", []byte(f.text))
		if (err == nil) != f.accepted {
			t.Errorf("%s: the parser says %v", f.name, err)
		}
		v, ok := asJSON(t, f.text)
		if !ok {
			t.Errorf("%s is no document", f.name)
			continue
		}
		if err := schema.Validate(v); (err == nil) != (f.accepted || f.deeper) {
			t.Errorf("%s: the schema says %v", f.name, err)
		}
	}
}

// TestSchemaAcceptsWhatTheParserAccepts puts every kind of value in every place of an AppSpec.
func TestSchemaAcceptsWhatTheParserAccepts(t *testing.T) {
	t.Parallel()
	values := []string{"", "~", "null", "''", `" "`, "a", "/a", "no", "off", "False", "true", "yes", "0", "0.0", "-0.0", "00", "0x0", "0o0", "0b0", "0:00", "0e0", ".0", "0.", "0.0e0", "+0", "0,0",
		`"0"`, `" 0.0 "`, "1", "1.5", "0.5", "1e3", "1.e+3", ".5e+1", "0644", "0755", "644", "u+x", "0x1ff", "0b11", "0o644", "7_5_5", "1,000", "99999999999999999999", "1:30", "190:20:30", "2024-01-01",
		"2024-01-01 10:00:00", "5m", `"5m"`, `"300"`, "-5", ".inf", ".nan", "linux", "windows", "Linux", "OVERWRITE", "overwrite", "file", "[]", "{}", "[a]", "[file]", "[' file ', directory]", "[null]", "[[a]]",
		"[1, 2.5, yes]", "{a: b}", "{type: t}", "{type: t, range: s0, name: }", "{type: '', range: s0}", "{type: 5, range: null}", "{type: t, range: 5}", "['u:a:rw']", "['a:7', 'm::rx']", "[1:30]", "['x']", "[{location: a}]", "[{source: a, destination: b}]",
		"[{object: /a}]", "{AfterInstall: [{location: a}]}", "{AfterInstall: }", "{5: [{location: a}]}", "{AfterInstall: a}", "|\n    text", "!!str 0", "!!float '0'", "!!int '755'", "&x a"}
	places := []string{
		"version: %s\nos: linux\n", "version: 0.0\nos: %s\n", "version: 0.0\nos: linux\nfile_exists_behavior: %s\n", "version: 0.0\nos: linux\nfiles: %s\n", "version: 0.0\nos: linux\nfiles:\n  - %s\n",
		"version: 0.0\nos: linux\nfiles:\n  - source: %s\n    destination: /a\n", "version: 0.0\nos: linux\nfiles:\n  - source: a\n    destination: %s\n", "version: 0.0\nos: linux\npermissions: %s\n",
		"version: 0.0\nos: windows\npermissions: %s\n", "version: 0.0\nos: linux\npermissions:\n  - object: %s\n", "version: 0.0\nos: linux\nhooks: %s\n", "version: 0.0\nos: linux\nhooks:\n  AfterInstall: %s\n",
		"version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - %s\n", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: %s\n", "version: 0.0\nos: linux\nother: %s\n",
	}
	for _, key := range []string{"pattern", "except", "type", "owner", "group", "mode", "acls", "context"} {
		places = append(places, "version: 0.0\nos: linux\npermissions:\n  - object: /a\n    "+key+": %s\n")
	}
	for _, key := range []string{"timeout", "runas", "sudo"} {
		places = append(places, "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: a\n    "+key+": %s\n")
	}
	schema := compiled(t, false)
	accepted, refused, missed := 0, 0, 0
	for _, place := range places {
		for _, value := range values {
			text := fmt.Sprintf(place, value)
			_, err := Parse("appspec.yml", []byte(text))
			v, ok := asJSON(t, text)
			if !ok { // infinity, or a tag that the value does not fit
				continue
			}
			wrong := schema.Validate(v)
			switch {
			case err == nil && wrong != nil:
				t.Errorf("the parser accepts and the schema refuses\n%s%v", text, wrong)
			case err == nil:
				accepted++
			case wrong != nil:
				refused++
			default:
				missed++
			}
		}
	}
	if accepted < 500 || refused < 5*missed {
		t.Errorf("%d accepted by both, %d refused by both, %d refused by the parser only", accepted, refused, missed)
	}
	t.Logf("%d accepted by both, %d refused by both, %d refused by the parser only", accepted, refused, missed)
}

// TestStrictSchema refuses what the parser warns of: keys and events that have no effect.
func TestStrictSchema(t *testing.T) {
	t.Parallel()
	strict := compiled(t, true)
	marked := 0
	for _, f := range corpus(t) {
		v, ok := asJSON(t, f.text)
		if !ok || !f.accepted {
			continue
		}
		a, err := Parse("appspec.yml", []byte(f.text))
		if err != nil {
			t.Fatal(err)
		}
		unknown := strings.Contains(f.text, "SmokeTest")
		for _, w := range a.Warnings {
			unknown = unknown || w.Rule == RuleUnknownKey
		}
		if err := strict.Validate(v); (err != nil) != unknown {
			t.Errorf("%s: the strict schema says %v, the parser warns %v", f.name, err, a.Warnings)
		}
		if unknown {
			marked++
		}
	}
	if marked < 2 {
		t.Errorf("%d files have keys without effect", marked)
	}
}
