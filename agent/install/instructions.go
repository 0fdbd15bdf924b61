package install

import "io"

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
			out.text = appendText(out.text, p.request.Archive, s.file.written())
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
		text := marshal(form)
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
	o.text = appendText(o.text, path, "")
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

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
