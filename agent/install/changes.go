package install

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"codedeploy-agent/agent/disk"
)

// Action is what a Change does to its path.
type Action string

// The actions of a plan.
const (
	Create    Action = "create"
	Overwrite Action = "overwrite"
	Unchanged Action = "unchanged" // it stands there as it would be installed
	Retain    Action = "retain"    // file_exists_behavior: RETAIN keeps what stands there
	Delete    Action = "delete"    // of the previous revision
	Mkdir     Action = "mkdir"
	Mode      Action = "mode"
	Owner     Action = "owner"
	ACL       Action = "acl"
	Context   Action = "context"
)

// The actions that only a dry run finds, for only hooks do such things.
const (
	Capabilities Action = "capabilities"
	Attribute    Action = "attribute" // an extended attribute that has no action of its own
)

// keptDirectory is the detail of a directory that stays; it is not counted with the files.
const keptDirectory = "directory of the previous revision"

// Change is one thing a plan does.
type Change struct {
	Path   string `json:"path"`
	Action Action `json:"action"`
	Detail string `json:"detail,omitempty"` // for people
}

// Changes lists what the plan does in the order of execution: directories and files, permissions, deletions.
func (p *Plan) Changes() []Change {
	var all []Change
	add := func(path string, a Action, detail string) { all = append(all, Change{path, a, detail}) }
	for _, s := range p.steps {
		if s.dir != nil {
			if s.dir.kept() {
				add(s.dir.path, Unchanged, keptDirectory)
			} else {
				add(s.dir.path, Mkdir, "")
			}
			continue
		}
		f := s.file
		switch {
		case f.unchanged:
			add(f.path, Unchanged, f.detail())
		case f.was.kind == absent:
			add(f.path, Create, f.detail())
		default:
			detail := f.detail()
			if p.explain {
				if d := f.difference(); d != "" {
					detail += ", " + d
				}
			}
			add(f.path, Overwrite, detail)
		}
	}
	for _, path := range p.retained {
		add(path, Retain, "exists already")
	}
	for _, t := range p.grants {
		e, via := t.grant.entry, ""
		if t.linked {
			via = ", of " + show(t.place)
		}
		if e.Owner != "" || e.Group != "" {
			add(t.path, Owner, e.Owner+":"+e.Group+via)
		}
		if e.Mode != nil {
			add(t.path, Mode, e.Mode.Text()+via)
		}
		if e.ACL != nil {
			texts := make([]string, 0, len(e.ACL.Entries))
			for _, x := range e.ACL.Entries {
				texts = append(texts, x.String())
			}
			add(t.path, ACL, strings.Join(texts, ",")+via)
		}
		if c := e.Context; c != nil {
			add(t.path, Context, strings.Trim(c.User+":"+c.Type+":"+c.Range, ":")+via)
		}
	}
	for _, r := range p.view.remnants {
		if !r.reused {
			add(r.path, Delete, "of the previous revision")
		}
	}
	return all
}

func (f *fileStep) detail() string {
	d := "from " + show(f.source)
	if f.info.kind == link {
		return d + ", link to " + show(f.text)
	}
	d += ", " + disk.Size(f.info.size)
	if f.foreign && f.was.kind != absent && !f.unchanged {
		d += ", in place of " + f.was.kind.String() + " that the previous deployment did not install"
	}
	return d
}

// WriteTo prints the plan as text, a change in each line and the summary last.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	count := &counter{w: w}
	out := bufio.NewWriter(count)
	for _, warning := range p.warnings {
		fmt.Fprintf(out, "warning: %s\n", warning)
	}
	for _, c := range p.Changes() {
		fmt.Fprintf(out, "%-9s  %s", c.Action, show(c.Path))
		if c.Detail != "" {
			fmt.Fprintf(out, "  (%s)", c.Detail)
		}
		out.WriteByte('\n') // Flush tells of an error
	}
	fmt.Fprintln(out, p.Summary())
	err := out.Flush()
	return count.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Summary says in one line how much of what the plan does.
func (p *Plan) Summary() string {
	n := map[Action]int{}
	for _, c := range p.Changes() {
		if c.Action == Unchanged && c.Detail == keptDirectory {
			continue
		}
		n[c.Action]++
	}
	permissions := n[Mode] + n[Owner] + n[ACL] + n[Context]
	parts := []string{plural(n[Create], "file") + " created"}
	for _, x := range []struct {
		n    int
		text string
	}{
		{n[Overwrite], "replaced"}, {n[Unchanged], "unchanged"}, {n[Retain], "retained"}, {n[Delete], "removed"},
	} {
		if x.n > 0 {
			parts = append(parts, strconv.Itoa(x.n)+" "+x.text)
		}
	}
	if n[Mkdir] == 1 {
		parts = append(parts, "1 directory made")
	} else if n[Mkdir] > 1 {
		parts = append(parts, strconv.Itoa(n[Mkdir])+" directories made")
	}
	if permissions > 0 {
		parts = append(parts, plural(permissions, "permission")+" set")
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
