package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SpecificationError lists everything that is wrong with a deployment specification. The deployment cannot be run as it
// is, and fetching the specification again does not change it.
type SpecificationError struct {
	Problems []string
}

func (e *SpecificationError) Error() string {
	return "cannot use the deployment specification: " + strings.Join(e.Problems, "; ")
}

// document reads the fields of a JSON object and collects what is wrong with them. Names are matched exactly, as the
// official agents do. null is the same as absent.
type document struct {
	path     string // of the object, ending in a dot; empty for the outermost
	fields   map[string]json.RawMessage
	problems *[]string
}

// parseDocument reads a JSON object and nothing but it.
func parseDocument(content []byte) (document, error) {
	d := document{problems: new([]string)}
	if problems := structure(content); problems != nil {
		return d, &SpecificationError{problems}
	}
	err := json.Unmarshal(content, &d.fields)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		// The text is not shown: it may hold an access token.
		return d, &SpecificationError{[]string{fmt.Sprintf("it is not JSON: %v (at byte %d)", syntax, syntax.Offset)}}
	case err != nil:
		return d, &SpecificationError{[]string{"it is not a JSON object"}}
	case d.fields == nil:
		return d, &SpecificationError{[]string{"it is null"}}
	}
	return d, nil
}

func (d document) problem(format string, args ...any) {
	*d.problems = append(*d.problems, fmt.Sprintf(format, args...))
}

func (d document) has(name string) bool {
	raw, ok := d.fields[name]
	return ok && string(raw) != "null"
}

// text is the string called name, or fallback when it is absent or empty.
func (d document) text(name, fallback string) string {
	if !d.has(name) {
		return fallback
	}
	var s string
	if json.Unmarshal(d.fields[name], &s) != nil {
		d.problem("%s%s is %s instead of a string", d.path, name, kind(d.fields[name]))
		return fallback
	}
	if i := strings.IndexByte(s, 0); i >= 0 {
		d.problem("%s%s contains a NUL character", d.path, name)
		return fallback
	}
	if s == "" {
		return fallback
	}
	return s
}

// required is text for a field that must not be absent or empty.
func (d document) required(name string) string {
	before := len(*d.problems)
	s := d.text(name, "")
	if s == "" && len(*d.problems) == before {
		if d.has(name) {
			d.problem("%s%s is empty", d.path, name)
		} else {
			d.problem("%s%s is missing", d.path, name)
		}
	}
	return s
}

// oneOf is required for a field with a fixed set of values.
func (d document) oneOf(name string, values ...string) string {
	s := d.required(name)
	if s != "" && !slices.Contains(values, s) {
		d.problem("%s%s is %q, not one of %s", d.path, name, clip(s, 40), strings.Join(values, ", "))
	}
	return s
}

// truth is the boolean called name, or fallback when it is absent.
func (d document) truth(name string, fallback bool) bool {
	if !d.has(name) {
		return fallback
	}
	b := fallback
	if json.Unmarshal(d.fields[name], &b) != nil {
		d.problem("%s%s is %s instead of true or false", d.path, name, kind(d.fields[name]))
	}
	return b
}

// texts is the list of strings called name, nil when it is absent.
func (d document) texts(name string) []string {
	if !d.has(name) {
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(d.fields[name], &items) != nil {
		d.problem("%s%s is %s instead of a list", d.path, name, kind(d.fields[name]))
		return nil
	}
	out := make([]string, 0, len(items))
	for i, item := range items {
		var s *string
		if json.Unmarshal(item, &s) != nil || s == nil {
			d.problem("%s%s[%d] is %s instead of a string", d.path, name, i, kind(item))
			continue
		}
		out = append(out, *s)
	}
	return out
}

// object is the object called name, one without fields when it is absent.
func (d document) object(name string) document {
	inner := document{path: d.path + name + ".", problems: d.problems}
	if !d.has(name) {
		return inner
	}
	if json.Unmarshal(d.fields[name], &inner.fields) != nil {
		d.problem("%s%s is %s instead of an object", d.path, name, kind(d.fields[name]))
	}
	return inner
}

// kind names the type of a JSON value.
func kind(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
