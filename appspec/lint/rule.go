package lint

import (
	"slices"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/spelling"
)

// Info is the severity of advice: what works, and could be better. The others are those of package appspec.
const Info appspec.Severity = "info"

// Rule is one kind of mistake that a check looks for.
type Rule struct {
	// Name is in kebab-case and stays the same from release to release.
	Name string
	// Section groups the rules in the documentation.
	Section string
	// Severity is what the rule's problems usually have.
	Severity appspec.Severity
	// Folder is the severity where the bundle is not finished and what is missing may still be made by the build; empty if it is Severity.
	Folder appspec.Severity
	// Varies says that some of the rule's problems have a lower severity, because what they are about works all the same.
	Varies bool
	// Advice says that the rule is only checked when Options.Advice asks for it.
	Advice bool
	// Summary says what the rule finds, Why what happens because of it and Mend what to do about it. Sentences without the full stop in Summary.
	Summary, Why, Mend string
}

// The sections of the rules.
const (
	sectionLanguage    = "The AppSpec file"
	sectionBundle      = "The bundle"
	sectionEvents      = "Lifecycle events and hooks"
	sectionFiles       = "Files"
	sectionPermissions = "Permissions"
	sectionScripts     = "Script files"
	sectionCommands    = "Commands in shell scripts"
	sectionAdvice      = "Advice"
)

// Rules returns all rules, in the order of the documentation.
func Rules() []Rule { return slices.Clone(rules) }

// ruleOf returns a rule by its name. Every name in this package is in the table, which a test makes sure of.
func ruleOf(name string) Rule {
	if i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name }); i >= 0 {
		return rules[i]
	}
	return Rule{Name: name, Severity: appspec.Failing}
}

// Known says whether there is a rule of that name. If there is none, near is the one that was perhaps meant, or empty.
func Known(name string) (near string, ok bool) {
	names := make([]string, 0, len(rules))
	for _, r := range rules {
		if r.Name == name {
			return name, true
		}
		names = append(names, r.Name)
	}
	return spelling.Nearest(name, names), false
}

var rules = slices.Concat(languageRules, bundleRules, eventRules, fileRules, permissionRules, scriptRules, commandRules, adviceRules)
