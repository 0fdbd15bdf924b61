package install

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"codedeploy-agent/agent/disk"
)

// Action is what a Change does to its path.
type Action string

// The actions of a plan. Mode to Context are the settings that are made, by the permissions section or because a directory is used again, at
// paths that have another Change for what becomes of them, or at something of the host that a link of the revision leads to.
const (
	Create    Action = "create"
	Overwrite Action = "overwrite"
	Unchanged Action = "unchanged" // it stands there as it would be installed
	Retain    Action = "retain"    // file_exists_behavior: RETAIN keeps what stands there
	Delete    Action = "delete"    // of the previous revision
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

// The kinds of a Change's path.
const (
	KindFile      = "file"
	KindDirectory = "directory"
	KindLink      = "link"
)

// Change is one thing a plan does.
type Change struct {
	Path   string `json:"path"`
	Action Action `json:"action"`
	// Kind is file, directory or link: what is there afterwards, or is deleted.
	Kind string `json:"kind,omitempty"`
	// Mode, Owner and ACL are what the path has afterwards, whatever its Action; empty where there is nothing afterwards or it is not known.
	// Mode is four octal digits, Owner "user:group" by name or else by number, ACL an entry in each element, as getfacl prints them.
	Mode  string   `json:"mode,omitempty"`
	Owner string   `json:"owner,omitempty"`
	ACL   []string `json:"acl,omitempty"`
	// Context is the SELinux context that is set, "user:type:range" without what the AppSpec does not say.
	Context string `json:"context,omitempty"`
	Detail  string `json:"detail,omitempty"` // for people
}

// Verb is the action in a word for people.
func (c Change) Verb() string {
	if c.Action == Create && c.Kind == KindDirectory {
		return "mkdir"
	}
	return string(c.Action)
}

// Changes lists what the plan does in the order of execution: directories and files, settings, deletions.
func (p *Plan) Changes() []Change {
	all := make([]Change, 0, len(p.steps)+len(p.retained)+len(p.view.remnants))
	p.changes(newOutcome(p), func(c Change) { all = append(all, c) })
	return all
}

// changes tells all changes; without an outcome it leaves out whatever has to be looked up.
func (p *Plan) changes(o *outcome, tell func(Change)) {
	for _, s := range p.steps {
		if s.dir != nil {
			c := Change{Path: s.dir.path, Action: Create, Kind: KindDirectory}
			switch {
			case s.dir.kept():
				c.Action, c.Detail = Unchanged, "of the previous revision"
			case s.dir.was != nil:
				c.Action, c.Detail = Overwrite, "a directory in place of "+s.dir.was.info.kind.String()+" of the previous revision"
			}
			o.directory(&c, s.dir)
			tell(c)
			continue
		}
		tell(p.fileChange(o, s.file))
	}
	for _, f := range p.retained {
		c := Change{Path: f.path, Action: Retain, Kind: kindText(f.was.kind), Detail: "exists already"}
		o.standing(&c, f)
		tell(c)
	}
	p.settings(o, tell)
	for _, r := range p.view.remnants {
		if !r.reused {
			tell(Change{Path: r.path, Action: Delete, Kind: kindText(r.info.kind), Detail: "of the previous revision"})
		}
	}
}

func kindText(k kind) string {
	return [...]string{absent: "", regular: KindFile, directory: KindDirectory, link: KindLink, special: "special file"}[k]
}

func (p *Plan) fileChange(o *outcome, f *fileStep) Change {
	c := Change{Path: f.path, Action: Overwrite, Kind: kindText(f.info.kind)}
	switch {
	case f.unchanged:
		c.Action = Unchanged
	case f.was.kind == absent:
		c.Action = Create
	}
	if o == nil {
		return c
	}
	o.file(&c, f)
	c.Detail = f.detail()
	if c.Action == Overwrite && p.explain {
		if d := f.difference(p.reader); d != "" {
			c.Detail += ", " + d
		}
	}
	return c
}

// settings tells what the permissions section sets, and what a directory that is used again gets because a new one would have it.
func (p *Plan) settings(o *outcome, tell func(Change)) {
	set := map[string]bool{} // "action path"
	add := func(c Change, a Action, detail string) {
		c.Action, c.Detail = a, detail
		if o != nil {
			set[string(a)+" "+c.Path] = true
		}
		tell(c)
	}
	for _, t := range p.grants {
		e, via := t.grant.entry, ""
		c := Change{Path: t.path()}
		if t.via != nil {
			c.Path, via = t.place(), ", through the link "+show(t.path())
		}
		o.target(&c, t)
		if e.Owner != "" || e.Group != "" {
			add(c, Owner, e.Owner+":"+e.Group+via)
		}
		if e.Mode != nil {
			add(c, Mode, e.Mode.Text()+via)
		}
		if e.ACL != nil {
			texts := make([]string, 0, len(e.ACL.Entries))
			for _, x := range e.ACL.Entries {
				texts = append(texts, x.String())
			}
			add(c, ACL, strings.Join(texts, ",")+via)
		}
		if e.Context != nil {
			add(c, Context, c.Context+via)
		}
	}
	if o == nil {
		return
	}
	for _, s := range p.steps {
		if s.dir == nil || !s.dir.kept() {
			continue
		}
		c := Change{Path: s.dir.path, Kind: KindDirectory}
		o.directory(&c, s.dir)
		is := Change{}
		o.describe(&is, directory, o.now(s.dir))
		for _, x := range []struct {
			action      Action
			now, before string
		}{{Owner, c.Owner, is.Owner}, {Mode, c.Mode, is.Mode}, {ACL, strings.Join(c.ACL, ","), strings.Join(is.ACL, ",")}} {
			if x.now == x.before || set[string(x.action)+" "+c.Path] {
				continue
			}
			if x.now == "" {
				x.now = "none"
			}
			if x.before == "" {
				x.before = "none"
			}
			add(c, x.action, x.now+" as a new directory, "+x.before+" before")
		}
	}
}

func (f *fileStep) detail() string {
	d := "from " + show(f.source())
	if f.info.kind == link {
		return d + ", link to " + show(f.text)
	}
	d += ", " + disk.Size(f.info.size)
	if f.foreign && f.was.kind != absent && !f.unchanged {
		d += ", in place of " + f.was.kind.String() + " that the previous deployment did not install"
	}
	return d
}

// WriteTo prints the plan as text, a change in each line, the summary and the room that it needs last.
func (p *Plan) WriteTo(w io.Writer) (int64, error) { return p.write(w, p.Changes()) }

// WriteChanges is WriteTo with changes that the plan has listed before.
func (p *Plan) WriteChanges(w io.Writer, changes []Change) (int64, error) { return p.write(w, changes) }

func (p *Plan) write(w io.Writer, changes []Change) (int64, error) {
	count := &counter{w: w}
	out := bufio.NewWriter(count)
	for _, warning := range p.warnings {
		fmt.Fprintf(out, "warning: %s\n", warning)
	}
	for _, c := range changes {
		out.WriteString(c.String())
		out.WriteByte('\n') // Flush tells of an error
	}
	fmt.Fprintln(out, summary(slices.Values(changes)))
	for _, s := range p.space {
		fmt.Fprintln(out, s)
	}
	err := out.Flush()
	return count.n, err
}

// String is a line for people.
func (c Change) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-9s  %s", c.Verb(), show(c.Path))
	var about []string
	if c.Mode != "" || c.Owner != "" {
		switch c.Action {
		case Create, Overwrite, Unchanged, Retain:
			about = append(about, strings.TrimSpace(c.Mode+" "+c.Owner))
		}
	}
	if c.Detail != "" {
		about = append(about, c.Detail)
	}
	if len(about) > 0 {
		b.WriteString("  (" + strings.Join(about, ", ") + ")")
	}
	return b.String()
}

// String is a line for people.
func (s Space) String() string {
	text := fmt.Sprintf("space at %s: %s needed, %s free", show(s.Dir), disk.Size(s.Needed), disk.Size(s.Free))
	if s.FilesFree != disk.NoLimit {
		text += fmt.Sprintf("; %s needed, %d free", plural(int(s.Files), "inode"), s.FilesFree)
	}
	return text
}

// Space is what the Install needs of each file system that it writes to.
func (p *Plan) Space() []Space { return p.space }

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
	return summary(func(yield func(Change) bool) { p.changes(nil, func(c Change) { yield(c) }) })
}

func summary(changes iter.Seq[Change]) string {
	n, made := map[Action]int{}, 0
	for c := range changes {
		switch {
		case (c.Action == Create || c.Action == Overwrite) && c.Kind == KindDirectory:
			made++
		case c.Action == Unchanged && c.Kind == KindDirectory: // it is not counted with the files
		default:
			n[c.Action]++
		}
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
	if made == 1 {
		parts = append(parts, "1 directory made")
	} else if made > 1 {
		parts = append(parts, strconv.Itoa(made)+" directories made")
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
