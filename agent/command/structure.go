package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// maxNesting is how deep objects and lists in what the service sends may lie inside each other. A specification has four levels, an answer three.
const maxNesting = 32

// structure says what no honest service sends, though it is JSON: values that are nested too deeply, and names that occur twice in an object,
// of which every reader may take another one for what was signed. Text that is not JSON is not its business.
func structure(content []byte) (problems []string) {
	type level struct {
		names   map[string]bool // nil for a list
		isValue bool            // the next string is no name
	}
	var open []level
	twice := func(format string, args ...any) {
		if p := fmt.Sprintf(format, args...); len(problems) < 10 && !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	for decoder := json.NewDecoder(bytes.NewReader(content)); ; {
		token, err := decoder.Token()
		if err != nil {
			return problems // at the end, or where it is not JSON
		}
		top := len(open) - 1
		if name, ok := token.(string); ok && top >= 0 && open[top].names != nil && !open[top].isValue {
			if open[top].names[name] {
				twice("it has the field %q twice", oneLine(name, 100))
			}
			open[top].names[name], open[top].isValue = true, true
			continue
		}
		if top >= 0 {
			open[top].isValue = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:top]
		}
		if len(open) > maxNesting {
			return append(problems, fmt.Sprintf("it is nested more than %d levels deep", maxNesting))
		}
	}
}
