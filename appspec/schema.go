package appspec

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed schema.json
var schema []byte

// Schema returns a JSON Schema (draft 7, the one that all editors read) of AppSpec files. It accepts every file that Parse accepts, and refuses
// what is wrong as far as a schema can say it. A strict one also refuses what Parse accepts with a warning: keys that have no effect and events
// that there are not, so that an editor marks them.
func Schema(strict bool) ([]byte, error) {
	if !strict {
		return bytes.Clone(schema), nil
	}
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		return nil, fmt.Errorf("cannot read the schema: %w", err)
	}
	closeObjects(root)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("cannot write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// closeObjects allows every object of a schema the properties that it describes, and no others.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, describes := v["properties"]; describes && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, sub := range v {
			closeObjects(sub)
		}
	case []any:
		for _, sub := range v {
			closeObjects(sub)
		}
	}
}
