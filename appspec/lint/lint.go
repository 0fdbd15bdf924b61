// Package lint checks AppSpec files, and the bundles that they belong to, for mistakes that would make a deployment fail or that agents
// ignore without a word. It needs no host and changes nothing: a bundle is any fs.FS. What it looks for is in one table, see Rules.
//
// The severities: an error makes a deployment fail, here or with the official agents; a warning is ignored by every agent, or works only
// under circumstances; an Info is advice.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
)

// Problem is one mistake.
type Problem struct {
	// File is the path in the bundle of the AppSpec or script, with slashes; for a problem of the whole bundle it may be ".".
	File string
	// Line and Column count from 1, columns in characters. They are 0 when the problem has no place in the file, or there is no file.
	Line, Column int
	Rule         string
	Severity     appspec.Severity
	Message      string
	// Hint says what to do about it; it may be empty.
	Hint string
}

// Options say how to check. The zero value checks a folder for every type of deployment.
type Options struct {
	// AppSpec is the path of the AppSpec in the bundle that deployments name; empty for appspec.DefaultName. See appspec.Find.
	AppSpec string
	// Finished says that the bundle is what will be deployed. Otherwise it is a folder to which a build may add, and what is missing in it is
	// a warning.
	Finished bool
	// Deployment is the type of deployment whose events run; the zero value is AnyDeployment.
	Deployment Deployment
	// Advice looks for habits that work and could be better, too.
	Advice bool
	// Disable are the names of rules whose problems are left out.
	Disable []string
}

// Report is what a check found.
type Report struct {
	// Problems are ordered: AppSpec files first, then other files by name, each by line and column.
	Problems []Problem
	// AppSpecs and Scripts are the files that were checked.
	AppSpecs, Scripts []string

	text map[string][]byte
}

// Line returns a line of a file that was checked, without its end. ok is false when there is no such file or line.
func (r *Report) Line(file string, number int) (line string, ok bool) {
	if number < 1 {
		return "", false
	}
	n := 0
	for l := range strings.Lines(string(r.text[file])) {
		if n++; n == number {
			return strings.TrimRight(l, "\r\n"), true
		}
	}
	return "", false
}

// Worst returns the worst severity of the report's problems, empty if there are none.
func (r *Report) Worst() appspec.Severity {
	worst := appspec.Severity("")
	for _, p := range r.Problems {
		if rank(p.Severity) > rank(worst) {
			worst = p.Severity
		}
	}
	return worst
}

// rank orders severities.
func rank(s appspec.Severity) int {
	return 1 + slices.Index([]appspec.Severity{Info, appspec.Warning, appspec.Failing}, s)
}

// AtLeast says whether a severity is as bad as another one or worse.
func AtLeast(s, least appspec.Severity) bool { return rank(s) >= rank(least) }

// File checks an AppSpec by itself. name is for Problem.File.
func File(name string, data []byte, o Options) *Report {
	c := newChecker(nil, o)
	c.appSpec(name, data, nil)
	return c.finish()
}

// Archive reports that an archive cannot be unpacked, and so there is nothing to check in it.
func Archive(why error) *Report {
	c := newChecker(nil, Options{Finished: true})
	c.at(".", appspec.Place{}, ruleArchive, "", "%v", why)
	return c.finish()
}

// Bundle checks a bundle: its AppSpec and the scripts and files that this names. An AppSpec that is not where agents look for it is told and
// checked all the same.
func Bundle(bundle fs.FS, o Options) *Report {
	c := newChecker(bundle, o)
	c.tree = c.index()
	c.leftovers()
	for _, found := range c.locate() {
		data, err := appspec.ReadFile(bundle, found.name, found.name)
		var tooLarge *appspec.Error
		if errors.As(err, &tooLarge) {
			c.report.AppSpecs = append(c.report.AppSpecs, found.name)
			for _, p := range tooLarge.Problems {
				c.language(found.name, p)
			}
			continue
		}
		if err != nil {
			c.add(Problem{File: found.name, Rule: ruleUnreadable, Severity: appspec.Failing, Message: fmt.Sprintf("cannot read the AppSpec: %v", reason(err))})
			continue
		}
		c.appSpec(found.name, data, found.roots)
	}
	c.scripts()
	return c.finish()
}

// checker is one run.
type checker struct {
	o      Options
	bundle fs.FS // nil when there is only an AppSpec
	tree   *tree
	report *Report
	used   map[string]*script // scripts of the bundle, by path
}

func newChecker(bundle fs.FS, o Options) *checker {
	return &checker{o: o, bundle: bundle, report: &Report{text: map[string][]byte{}}, used: map[string]*script{}}
}

func (c *checker) add(p Problem) { c.report.Problems = append(c.report.Problems, p) }

// at makes a problem of a rule's own severity.
func (c *checker) at(file string, at appspec.Place, rule, hint, format string, args ...any) {
	r := ruleOf(rule)
	if r.Advice && !c.o.Advice {
		return
	}
	severity := r.Severity
	if !c.o.Finished && r.Folder != "" {
		severity = r.Folder
	}
	c.add(Problem{File: file, Line: at.Line, Column: at.Column, Rule: rule, Severity: severity, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// finish leaves out what is disabled and orders the rest.
func (c *checker) finish() *Report {
	r := c.report
	silenced := map[string]*directives{}
	for file, text := range r.text {
		silenced[file] = directivesOf(text)
		for _, u := range silenced[file].unknown {
			near, _ := Known(u.name)
			hint := "validate --rules lists them"
			if near != "" {
				hint = "did you mean " + near + "?"
			}
			c.at(file, u.at, ruleUnknownRule, hint, "there is no rule %q to disable", clip(u.name))
		}
	}
	r.Problems = slices.DeleteFunc(r.Problems, func(p Problem) bool {
		return slices.Contains(c.o.Disable, p.Rule) || silenced[p.File] != nil && silenced[p.File].covers(p.Line, p.Rule)
	})
	slices.SortStableFunc(r.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(c.order(a.File), c.order(b.File)), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule))
	})
	r.Problems = slices.Compact(r.Problems)
	slices.Sort(r.Scripts)
	return r
}

// order puts the bundle itself first, then AppSpecs, then scripts.
func (c *checker) order(file string) int {
	switch {
	case file == ".":
		return 0
	case slices.Contains(c.report.AppSpecs, file):
		return 1
	}
	return 2
}

// reason is what went wrong without the path that the message names already.
func reason(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err
	}
	return err
}

// clip keeps values in messages short.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
