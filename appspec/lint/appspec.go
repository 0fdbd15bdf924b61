package lint

import (
	"codedeploy-agent/appspec"
)

// appSpec checks an AppSpec file and, in a bundle, what it names. roots are the directories of the bundle that its paths may be relative to.
func (c *checker) appSpec(name string, data []byte, roots []string) {
	c.report.AppSpecs = append(c.report.AppSpecs, name)
	c.report.text[name] = data
	a, problems := appspec.Inspect(name, data)
	for _, p := range problems {
		c.language(name, p)
	}
	for _, p := range a.Warnings {
		if p.Rule == appspec.RuleOfficial {
			p.Severity = ruleOf(p.Rule).Severity
		}
		c.language(name, p)
	}
	c.official(name, data)
	c.eventNames(name, a)
	c.timeouts(name, a)
	c.hooks(name, a, roots)
	i := c.installation(name, a, roots)
	c.permissions(name, a, i)
	c.advise(name, a)
}

// language adds a problem of the parser. A place that it does not know is the file's beginning.
func (c *checker) language(name string, p appspec.Problem) {
	c.add(Problem{File: name, Line: max(p.Line, 1), Column: max(p.Column, 1), Rule: p.Rule, Severity: p.Severity, Message: p.Message, Hint: p.Hint})
}
