package install

import (
	"bytes"
	"encoding/json"
	"io"
)

// The forms of the official agent's instructions, keys in the order of its release 1.8. Names that are no text get replacement
// characters; nobody reads the file back.
type (
	mkdirForm struct {
		Type      string `json:"type"`
		Directory string `json:"directory"`
	}
	copyForm struct {
		Type        string `json:"type"`
		Source      string `json:"source"`
		Destination string `json:"destination"`
	}
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
	var form bytes.Buffer
	enc := json.NewEncoder(&form)
	enc.SetEscapeHTML(false)
	_, failed := io.WriteString(w, `{"instructions":[`)
	first := true
	add := func(x any) {
		form.Reset()
		if !first {
			form.WriteByte(',')
		}
		first = false
		if err := enc.Encode(x); err != nil {
			failed = err
		}
		if failed == nil {
			_, failed = w.Write(form.Bytes()[:form.Len()-1]) // without the line's end
		}
	}
	for _, s := range p.steps {
		if s.dir != nil {
			add(mkdirForm{"mkdir", s.dir.path})
		} else {
			add(copyForm{"copy", p.request.Archive + s.file.written(), s.file.path})
		}
	}
	for _, t := range p.grants {
		e := t.grant.entry
		if e.Mode != nil {
			add(chmodForm{"chmod", e.Mode.Text(), t.path()})
		}
		if e.ACL != nil {
			texts := make([]string, 0, len(e.ACL.Entries))
			for _, x := range e.ACL.Entries {
				texts = append(texts, x.String())
			}
			add(setfaclForm{"setfacl", texts, t.path()})
		}
		if c := e.Context; c != nil {
			add(semanageForm{"semanage", contextForm{User: orNull(c.User), Type: c.Type, Range: orNull(c.Range)}, t.path()})
		}
		if e.Owner != "" || e.Group != "" {
			add(chownForm{"chown", orNull(e.Owner), orNull(e.Group), t.path()})
		}
	}
	if failed == nil {
		_, failed = io.WriteString(w, "]}")
	}
	return failed
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
