//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// inRoot is a path below the deployment root.
func (p *play) inRoot(parts ...string) string {
	return filepath.Join(append([]string{p.path("root")}, parts...)...)
}

// instructions reads one of the group's files in the directory deployment-instructions.
func (p *play) instructions(suffix string) string {
	return p.read(p.inRoot("deployment-instructions", p.group+suffix))
}

// fill replaces the words that stand for something of this play.
func (p *play) fill(s string) string {
	me := fmt.Sprint(os.Getuid())
	if p.user != nil {
		me = fmt.Sprint(p.user.uid)
	}
	return strings.NewReplacer(
		"DEST", p.dest, "NOTES", p.notes, "HOST", p.home, "RELATIVE", p.group+"/srv", "ROOT", p.path("root"), "MYUID", me,
	).Replace(s)
}

// plain is fill the other way round. Deployments become <1>, <2> and so on, a deployment's unpacked revision 1:, 2: and so on.
func (p *play) plain(s string) string {
	var words []string
	for i, id := range p.ids {
		words = append(
			words, p.inRoot(p.group, id, "deployment-archive")+"/", fmt.Sprintf("%d:", i+1), p.inRoot(p.group, id),
			fmt.Sprintf("<%d>", i+1), id, fmt.Sprintf("<%d>", i+1),
		)
	}
	words = append(words, p.dest, "DEST", p.notes, "NOTES", p.home, "HOST", p.path("root"), "ROOT", p.group, "GROUP")
	return strings.NewReplacer(words...).Replace(s)
}

// lines are the lines of a text in plain words.
func (p *play) lines(s string) []string { return lines(p.plain(s)) }

// lines splits an expectation or a text; blanks around lines and empty lines do not count.
func lines(s string) []string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// want compares lines with what is expected.
func (p *play) want(what string, got []string, want string) {
	p.t.Helper()
	cwd := "/"
	if p.local {
		cwd = p.dir
	}
	want = strings.NewReplacer("CWD", cwd, "MYUID", p.fill("MYUID")).Replace(want)
	if w := lines(want); !slices.Equal(got, w) {
		p.t.Errorf("%s:\n\t%s\nwant:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(w, "\n\t"))
	}
}

// noted is what the scripts have noted.
func (p *play) noted() []string { return p.lines(p.read(p.notes)) }

// stand puts things below the destination.
func (p *play) stand(files []file) {
	if len(files) > 0 {
		p.standing(files)
	}
}
