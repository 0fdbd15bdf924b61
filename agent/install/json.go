package install

import (
	"bytes"
	"encoding/json"
	"strings"
)

// appendText appends two texts as one in JSON. Most paths are letters that stand for themselves, and thousands are written.
func appendText(to []byte, a, b string) []byte {
	if !literal(a) || !literal(b) {
		return append(to, marshal(a+b)...)
	}
	to = append(to, '"')
	to = append(to, a...)
	to = append(to, b...)
	return append(to, '"')
}

// literal says whether a text is itself in JSON, but for the quotes around it.
func literal(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// marshal is x, in which there is nothing that JSON cannot say, with letters like < as they are.
func marshal(x any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}
