package install

import (
	"bytes"
	"encoding/json"
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

// instructions is the text of the instructions file.
func (p *Plan) instructions() ([]byte, error) {
	all := make([]any, 0, len(p.steps)+len(p.grants))
	for _, s := range p.steps {
		if s.dir != nil {
			all = append(all, mkdirForm{"mkdir", s.dir.path})
		} else {
			all = append(all, copyForm{"copy", p.request.Archive + s.file.written, s.file.path})
		}
	}
	for _, t := range p.grants {
		e := t.grant.entry
		if e.Mode != nil {
			all = append(all, chmodForm{"chmod", e.Mode.Text(), t.path})
		}
		if e.ACL != nil {
			texts := make([]string, 0, len(e.ACL.Entries))
			for _, x := range e.ACL.Entries {
				texts = append(texts, x.String())
			}
			all = append(all, setfaclForm{"setfacl", texts, t.path})
		}
		if c := e.Context; c != nil {
			all = append(all, semanageForm{"semanage", contextForm{User: orNull(c.User), Type: c.Type, Range: orNull(c.Range)}, t.path})
		}
		if e.Owner != "" || e.Group != "" {
			all = append(all, chownForm{"chown", orNull(e.Owner), orNull(e.Group), t.path})
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Instructions []any `json:"instructions"`
	}{all}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
