package agent

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"codedeploy-agent/appspec/plaintext"
	"codedeploy-agent/hooks"
)

// WriteTo prints the plan for people.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Deployment group %s; ", p.Group)
	if p.LastSuccessful == "" {
		b.WriteString("nothing of it was installed here before.\n\n")
	} else {
		fmt.Fprintf(&b, "installed here is deployment %s.\n\n", p.LastSuccessful)
	}
	printed := 0 // hooks, which are in the order of the events
	for _, e := range p.Events {
		switch {
		case e.Event == hooks.Install && p.install != nil:
			fmt.Fprintf(&b, "%s\n", e.Event)
			out := bufio.NewWriter(&indented{w: &b, prefix: "    "})
			if _, err := p.install.WriteChanges(out, p.Changes); err != nil {
				return 0, err
			}
			if err := out.Flush(); err != nil {
				return 0, err
			}
		case e.Event == hooks.Install && len(p.Problems) > 0:
			fmt.Fprintf(&b, "%-20s cannot be planned, see below\n", e.Event)
			for _, s := range p.Space {
				fmt.Fprintf(&b, "    %s\n", s)
			}
		case e.Revision == "":
			fmt.Fprintf(&b, "%s\n", e.Event)
		case e.Scripts == 0 && p.unread && e.Revision == hooks.Current.String():
			fmt.Fprintf(&b, "%-20s not known, because the revision cannot be read\n", e.Event)
		case e.Scripts == 0:
			fmt.Fprintf(&b, "%-20s nothing to do\n", e.Event)
		default:
			whose := e.Revision
			if e.Deployment != "" {
				whose += " (" + e.Deployment + ")"
			}
			fmt.Fprintf(&b, "%-20s of the %s\n", e.Event, whose)
			for _, h := range p.Hooks[printed : printed+e.Scripts] {
				fmt.Fprintf(&b, "    %s\n", h)
			}
			printed += e.Scripts
		}
	}
	for _, x := range []struct {
		title string
		lines []string
	}{{"Warnings", p.Warnings}, {"The deployment would fail", p.Problems}} {
		if len(x.lines) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", x.title)
			for _, l := range x.lines {
				fmt.Fprintf(&b, "  - %s\n", plaintext.Line(l))
			}
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// String is one line for people.
func (h PlannedHook) String() string {
	s := plaintext.Line(h.Location)
	if h.User != "" {
		s += " as user " + plaintext.Line(h.User)
	}
	if h.Sudo {
		s += " through sudo"
	}
	return fmt.Sprintf("%s, at most %d s", s, h.Timeout)
}

// indented puts a prefix before each line.
type indented struct {
	w      io.Writer
	prefix string
	inside bool // of a line
}

func (i *indented) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		if !i.inside {
			line = i.prefix + line
		}
		i.inside = !strings.HasSuffix(line, "\n")
		if _, err := io.WriteString(i.w, line); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}
