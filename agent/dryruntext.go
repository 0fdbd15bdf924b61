package agent

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"codedeploy-agent/agent/dryrun"
	"codedeploy-agent/agent/install"
)

// shown is how many changes are printed for people before it is said how many more there are.
const shown = 200

// many is how many changes are printed for people one by one.
const many = 60

// WriteTo prints the report for people. What hooks wrote is not repeated, except for those that failed.
func (d *DryRun) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for i, r := range d.Runs {
		title := "Deployment"
		if i > 0 {
			title = "The same bundle again"
		}
		fmt.Fprintf(&b, "%s: %s after %s\n", title, r.Result, seconds(r.Duration))
		for _, h := range d.Hooks {
			if h.Run == i+1 {
				d.hook(&b, h)
			}
		}
		b.WriteString("\n")
	}
	d.writeChanges(&b)
	calls(&b, "Services it would have acted on", d.Services)
	units(&b, d.Units)
	calls(&b, "Commands that were not really run", d.Commands)
	if len(d.Processes) == 0 {
		b.WriteString("No process was left running.\n\n")
	} else {
		b.WriteString("Left running:\n")
		var lines []string
		for _, p := range d.Processes {
			lines = append(lines, d.process(p))
		}
		writeCounted(&b, lines)
		b.WriteString("\n")
	}
	for _, x := range []struct {
		title string
		lines []string
	}{{"Warnings", d.Warnings}, {"Problems", d.Problems}} {
		if len(x.lines) > 0 {
			fmt.Fprintf(&b, "%s:\n", x.title)
			for _, l := range x.lines {
				fmt.Fprintf(&b, "  - %s\n", strings.ReplaceAll(l, "\n", "\n    "))
			}
			b.WriteString("\n")
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

func (d *DryRun) hook(b *strings.Builder, h DryRunHook) {
	as := ""
	if h.RunAs != "" {
		as = " as user " + h.RunAs
	}
	of := ""
	if h.Deployment != d.Runs[h.Run-1].Deployment {
		of = " of " + h.Deployment
	}
	fmt.Fprintf(b, "  %-20s %s%s%s: %s, %s\n", h.Event, h.Location, as, of, h.Result, seconds(h.Duration))
	if h.Result == failed {
		for line := range strings.Lines(h.Output) {
			fmt.Fprintf(b, "      %s\n", strings.TrimRight(line, "\n"))
		}
	}
}

func (d *DryRun) writeChanges(b *strings.Builder) {
	if len(d.Changes) == 0 {
		b.WriteString("No file was changed.\n\n")
		return
	}
	fmt.Fprintf(b, "Files that differ now (%d):\n", len(d.Changes))
	changes := d.Changes
	if len(changes) > many {
		changes = foldNew(changes)
	}
	width := len(install.Overwrite)
	for _, c := range changes[:min(shown, len(changes))] {
		width = max(width, len(c.Verb()))
	}
	for i, c := range changes {
		if i == shown {
			fmt.Fprintf(b, "  and %d more; --json lists all\n", len(changes)-shown)
			break
		}
		detail := ""
		if c.Detail != "" {
			detail = " (" + c.Detail + ")"
		}
		fmt.Fprintf(b, "  %-*s %s%s\n", width, c.Verb(), c.Path, detail)
	}
	b.WriteString("\n")
}

// foldNew leaves out what is in new directories that themselves are in new ones, and says of those how much it was: what somebody has unpacked or
// installed is not a list that anybody reads.
func foldNew(changes []install.Change) []install.Change {
	var all []install.Change
	made := map[string]int{} // new directories, and how deep below the first new one
	at := map[string]int{}
	inside := map[string]int{}
	for _, c := range changes {
		parent := filepath.Dir(c.Path)
		depth, ok := made[parent]
		if c.Action == install.Create && c.Kind == install.KindDirectory {
			if made[c.Path] = 0; ok {
				made[c.Path] = depth + 1
			}
		}
		if !ok || depth < 1 {
			if c.Action == install.Create && c.Kind == install.KindDirectory {
				at[c.Path] = len(all)
			}
			all = append(all, c)
			continue
		}
		for ; at[parent] == 0 && made[parent] > 1; parent = filepath.Dir(parent) {
		}
		inside[parent]++
	}
	for dir, n := range inside {
		c := &all[at[dir]]
		c.Detail = strings.TrimPrefix(c.Detail+fmt.Sprintf(", with %d more below it", n), ", ")
	}
	return all
}

func calls(b *strings.Builder, title string, calls []dryrun.Call) {
	var lines []string
	for _, c := range calls {
		if c.Question {
			continue
		}
		who := c.Event
		if who == "" {
			who = "-"
		}
		answer, _, _ := strings.Cut(c.Answer, "\n")
		lines = append(lines, fmt.Sprintf("  %-20s %s: %s", who, strings.Join(c.Command, " "), answer))
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:\n", title)
	writeCounted(b, lines)
	b.WriteString("\n")
}

// fares is how a service fares, for people.
func fares(u dryrun.Unit) string {
	text := u.State
	if u.Restarts > 0 {
		text += ", after it was started again " + times(u.Restarts)
	}
	if u.Why != "" && (u.State != "stopped" || u.Restarts > 0) {
		text += "; " + u.Why
		if u.Restarts > 0 {
			text += " the last time"
		}
	}
	if u.EndedOthers > 0 {
		text += ", and systemd then ends what it has left in the background: a program that goes there itself needs Type=forking"
	}
	return text
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func units(b *strings.Builder, units []dryrun.Unit) {
	if len(units) == 0 {
		return
	}
	b.WriteString("Services that were started in the view:\n")
	for _, u := range units {
		fmt.Fprintf(b, "  %s: %s\n", u.Name, fares(u))
		for line := range strings.Lines(u.Output) {
			fmt.Fprintf(b, "      %s\n", strings.TrimRight(line, "\n"))
		}
	}
	b.WriteString("\n")
}

func (d *DryRun) process(p dryrun.Process) string {
	var more []string
	if p.Unit != "" {
		more = append(more, "service "+p.Unit)
	} else if p.Event != "" {
		more = append(more, "started by "+p.Event)
	}
	for _, port := range d.Ports {
		if port.PID == p.PID {
			more = append(more, fmt.Sprintf("listens on %s %s:%d", port.Protocol, port.Address, port.Port))
		}
	}
	text := ""
	if len(more) > 0 {
		text = " (" + strings.Join(more, ", ") + ")"
	}
	command := []rune(oneLine(p.Command))
	if len(command) > 120 {
		command = append(command[:117], []rune("...")...)
	}
	return fmt.Sprintf("  %s as %s%s", string(command), p.User, text)
}

// writeCounted writes lines in their order, those that are the same once with their number.
func writeCounted(b *strings.Builder, lines []string) {
	seen := map[string]int{}
	for _, line := range lines {
		seen[line]++
	}
	for _, line := range lines {
		switch n := seen[line]; {
		case n > 1:
			fmt.Fprintf(b, "%s (%d times)\n", line, n)
		case n == 1:
			b.WriteString(line + "\n")
		}
		seen[line] = 0
	}
}

// oneLine keeps a command line from breaking the report.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
