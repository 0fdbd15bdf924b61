package install

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/faultpoint"
)

// record is what an Install under way needs to be taken back, by itself or, after a crash, by the next one. It is on disk before anything
// is changed: first which temporary names will be used (phase staging), then, when everything new is there under those names, what
// exactly is going to be exchanged (phase placing). When the Install can no longer fail, the record is removed.
//
// The file has a JSON object in each line. Only the lines up to the last mark of a phase count.
type record struct {
	path       string // empty: only in memory
	phase      phase
	lists      []savedList
	moves      []*move
	attributes []savedAttributes
	contexts   []string // paths whose SELinux rules were added
	replaced   string   // directory that keeps what is replaced, empty if nothing is
	// instructions is the instructions file as this Install wrote it; every other Install, also an official agent's, writes it anew.
	instructions savedInstructions
}

// savedInstructions is the instructions file's path and the digest of its content.
type savedInstructions struct {
	Path   rawPath `json:"path"`
	SHA256 []byte  `json:"sha256"`
}

type phase string

const (
	staging phase = "staging"
	placing phase = "placing"
)

// recordVersion is the form of the record, for agents to come.
const recordVersion = 1

// savedList is a clean-up list as it was before.
type savedList struct {
	Path    rawPath     `json:"path"`
	Found   bool        `json:"found"`
	Mode    fs.FileMode `json:"mode"`
	Content rawContent  `json:"content"`
}

// rawContent is written as base64, as the bytes that it is.
type rawContent string

// MarshalText implements encoding.TextMarshaler.
func (c rawContent) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(c)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *rawContent) UnmarshalText(text []byte) error {
	content, err := base64.StdEncoding.AppendDecode(nil, text)
	*c = rawContent(content)
	return err
}

// identity is what is recorded of an info.
type identity struct {
	Kind kind   `json:"kind"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
	// Time is when it was changed, in nanoseconds.
	Time int64 `json:"time"`
}

func identityOf(i info) identity { return identity{i.kind, i.dev, i.ino, i.mtime} }

// is says whether something is the very thing that was recorded, whatever its time is.
func (i info) is(x identity) bool { return i.kind == x.Kind && i.dev == x.Dev && i.ino == x.Ino }

func (i identity) info() info {
	return info{kind: i.Kind, dev: i.Dev, ino: i.Ino, mtime: i.Time}
}

// savedMove is a move as it is recorded.
type savedMove struct {
	Dir  rawPath  `json:"dir"`
	Temp string   `json:"temp"`
	Name rawPath  `json:"name"`
	Path rawPath  `json:"path"`
	Was  identity `json:"was"`
}

// savedAttributes is what something that is changed in its place had before.
type savedAttributes struct {
	Dir   rawPath           `json:"dir"`
	Name  rawPath           `json:"name"`
	Is    identity          `json:"is"`
	UID   int               `json:"uid"`
	GID   int               `json:"gid"`
	Mode  uint32            `json:"mode"`
	Lists map[string][]byte `json:"lists,omitempty"`
}

// recordLine is one line of the file; one of its fields is set, in the first line Version and Instructions.
type recordLine struct {
	Version      int                `json:"version,omitempty"`
	Instructions *savedInstructions `json:"instructions,omitempty"`

	List       *savedList       `json:"list,omitempty"`
	Move       *savedMove       `json:"move,omitempty"`
	New        *identity        `json:"new,omitempty"` // of the moves, in their order
	Attributes *savedAttributes `json:"attributes,omitempty"`
	Context    rawPath          `json:"context,omitempty"`
	Replaced   rawPath          `json:"replaced,omitempty"`
	Phase      phase            `json:"phase,omitempty"`
}

// rawPath is a path in JSON. Paths on Unix need not be text.
type rawPath string

func (p rawPath) MarshalJSON() ([]byte, error) { return p.appendTo(nil), nil }

func (p rawPath) appendTo(text []byte) []byte {
	if utf8.ValidString(string(p)) {
		return appendText(text, string(p), "")
	}
	return append(text, marshal([][]byte{[]byte(p)})...)
}

func (p *rawPath) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		*p = rawPath(text)
		return nil
	}
	var raw [][]byte
	if err := json.Unmarshal(data, &raw); err != nil || len(raw) != 1 {
		return fmt.Errorf("%s is no path", data)
	}
	*p = rawPath(raw[0])
	return nil
}

// begin records what is going to be made under temporary names.
func (r *record) begin() error {
	r.phase = staging
	if r.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return fmt.Errorf("cannot record the install: %w", err)
	}
	return durable.Write(r.path, 0o600, func(w io.Writer) error {
		out := newRecordWriter(w)
		out.line(recordLine{Version: recordVersion, Instructions: &r.instructions})
		for i := range r.lists {
			out.line(recordLine{List: &r.lists[i]})
		}
		for _, m := range r.moves {
			out.move(m)
		}
		if r.replaced != "" {
			out.line(recordLine{Replaced: rawPath(r.replaced)})
		}
		out.line(recordLine{Phase: staging})
		return out.Flush()
	})
}

// place records what everything new is and what is going to be changed where it stands.
func (r *record) place() error {
	if r.path != "" {
		err := r.append(func(out *recordWriter) {
			for _, m := range r.moves {
				out.new(m.new)
			}
			for i := range r.attributes {
				out.line(recordLine{Attributes: &r.attributes[i]})
			}
		})
		if err != nil {
			return err
		}
	}
	r.phase = placing
	return nil
}

// context records that an SELinux rule was added. One that a crash keeps from being recorded does no harm: the next Install changes it.
func (r *record) context(path string) error {
	if r.path != "" {
		if err := r.append(func(out *recordWriter) { out.line(recordLine{Context: rawPath(path)}) }); err != nil {
			return err
		}
	}
	r.contexts = append(r.contexts, path)
	return nil
}

// append adds lines of the phase placing.
func (r *record) append(tell func(*recordWriter)) (err error) {
	if err := faultpoint.At("install record"); err != nil {
		return err
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("cannot record the install: %w", err)
	}
	out := newRecordWriter(f)
	tell(out)
	out.line(recordLine{Phase: placing})
	if err = out.Flush(); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot record the install: %w", err)
	}
	return faultpoint.At("install recorded")
}

// remove forgets the record: there is nothing to take back.
func (r *record) remove() error {
	if r.path == "" {
		return nil
	}
	if err := durable.Remove(r.path); err != nil {
		return fmt.Errorf("cannot remove the record of the install: %w", err)
	}
	return nil
}

// readRecord returns the record that an Install which was cut off has left, or nil if there is none.
func readRecord(path string) (*record, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record of an earlier install: %w", err)
	}
	whole, draft := &record{path: path}, &record{path: path}
	named := 0
	for n, text := range bytes.Split(data, []byte("\n")) {
		var l recordLine
		if err := json.Unmarshal(text, &l); err != nil {
			break // cut short; what the last phase needs is before its mark
		}
		switch {
		case n == 0 && l.Version != recordVersion:
			return nil, fmt.Errorf("cannot read the record %s of an earlier install: its version is %d, not %d", path, l.Version, recordVersion)
		case n == 0:
			if l.Instructions != nil {
				draft.instructions = *l.Instructions
			}
		case l.List != nil:
			draft.lists = append(draft.lists, *l.List)
		case l.Move != nil:
			m := l.Move
			draft.moves = append(draft.moves, &move{dir: string(m.Dir), temp: m.Temp, name: string(m.Name), path: string(m.Path), was: m.Was})
		case l.New != nil && named < len(draft.moves):
			draft.moves[named].new = *l.New
			named++
		case l.Attributes != nil:
			draft.attributes = append(draft.attributes, *l.Attributes)
		case l.Context != "":
			draft.contexts = append(draft.contexts, string(l.Context))
		case l.Replaced != "":
			draft.replaced = string(l.Replaced)
		case l.Phase != "":
			draft.phase = l.Phase
			*whole = *draft
		}
	}
	if whole.phase == "" {
		return nil, fmt.Errorf("cannot read the record %s of an earlier install: it is damaged; if the files of the deployment group are as they should be, remove it", path)
	}
	for _, m := range whole.moves {
		if !tempName.MatchString(m.temp) {
			return nil, fmt.Errorf("cannot use the record %s of an earlier install: %q is no temporary name", path, m.temp)
		}
	}
	return whole, nil
}
