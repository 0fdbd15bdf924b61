package install

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// The forms of the official agent's instructions that an entry of the permissions makes, keys in the order of its release 1.8. Names that are no
// text get replacement characters.
type (
	chmodForm struct {
		Type string `json:"type"`
		Mode string `json:"mode"`
		File string `json:"file"`
	}
	setfaclForm struct {
		Type string   `json:"type"`
		ACL  []string `json:"acl"`
		File string   `json:"file"`
	}
	contextForm struct {
		User  *string `json:"user"`
		Role  *string `json:"role"` // never read from an AppSpec
		Type  string  `json:"type"`
		Range *string `json:"range"`
	}
	semanageForm struct {
		Type    string      `json:"type"`
		Context contextForm `json:"context"`
		File    string      `json:"file"`
	}
	chownForm struct {
		Type  string  `json:"type"`
		Owner *string `json:"owner"`
		Group *string `json:"group"`
		File  string  `json:"file"`
	}
)

// writeInstructions writes the text of the instructions file. Each instruction is written by itself: a revision can have a hundred thousand.
func (p *Plan) writeInstructions(w io.Writer) error {
	out := instructionWriter{w: w}
	out.text = append(out.text, `{"instructions":[`...)
	for _, s := range p.steps {
		if s.dir != nil {
			out.add(`{"type":"mkdir","directory":`, s.dir.path)
		} else {
			out.begin(`{"type":"copy","source":`)
			out.quote(p.request.Archive, s.file.written())
			out.end(`,"destination":`, s.file.path)
		}
	}
	var of *grant
	var parts []string
	for _, t := range p.grants {
		if t.grant != of {
			of, parts = t.grant, t.grant.instructions()
		}
		for _, part := range parts {
			out.add(part, t.path())
		}
	}
	out.text = append(out.text, "]}"...)
	out.flush()
	return out.err
}

// instructions are the instructions of a grant up to the file's path, which is their last value.
func (g *grant) instructions() (parts []string) {
	e := g.entry
	add := func(form any) {
		text := quoted(form)
		parts = append(parts, text[:len(text)-len(`""}`)])
	}
	if e.Mode != nil {
		add(chmodForm{Type: "chmod", Mode: e.Mode.Text()})
	}
	if e.ACL != nil {
		texts := make([]string, 0, len(e.ACL.Entries))
		for _, x := range e.ACL.Entries {
			texts = append(texts, x.String())
		}
		add(setfaclForm{Type: "setfacl", ACL: texts})
	}
	if c := e.Context; c != nil {
		add(semanageForm{Type: "semanage", Context: contextForm{User: orNull(c.User), Type: c.Type, Range: orNull(c.Range)}})
	}
	if e.Owner != "" || e.Group != "" {
		add(chownForm{Type: "chown", Owner: orNull(e.Owner), Group: orNull(e.Group)})
	}
	return parts
}

// instructionWriter writes one instruction after another. The first error ends it.
type instructionWriter struct {
	w     io.Writer
	text  []byte
	after bool // another instruction
	err   error
}

// add writes an instruction whose last value is a path.
func (o *instructionWriter) add(part, path string) {
	o.begin(part)
	o.end("", path)
}

func (o *instructionWriter) begin(part string) {
	if o.after {
		o.text = append(o.text, ',')
	}
	o.after = true
	o.text = append(o.text, part...)
}

func (o *instructionWriter) end(part, path string) {
	o.text = append(o.text, part...)
	o.quote(path, "")
	o.text = append(o.text, '}')
	if len(o.text) >= 32<<10 {
		o.flush()
	}
}

func (o *instructionWriter) flush() {
	if o.err == nil {
		_, o.err = o.w.Write(o.text)
	}
	o.text = o.text[:0]
}

// quote writes two strings as one. Most paths are letters, of which none is another one in JSON.
func (o *instructionWriter) quote(a, b string) {
	if !literal(a) || !literal(b) {
		o.text = append(o.text, quoted(a+b)...)
		return
	}
	o.text = append(o.text, '"')
	o.text = append(o.text, a...)
	o.text = append(o.text, b...)
	o.text = append(o.text, '"')
}

func literal(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// quoted is x in JSON, with letters like < as they are.
func quoted(x any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		panic(err) // of strings there is nothing that JSON cannot say
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
