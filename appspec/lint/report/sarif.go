package report

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/lint"
)

// The parts of SARIF 2.1.0 (OASIS) that a list of problems needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		FullDescription  sarifText `json:"fullDescription"`
		Help             sarifText `json:"help"`
		Default          struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

var levels = map[appspec.Severity]string{appspec.Failing: "error", appspec.Warning: "warning", lint.Info: "note"}

// SARIF writes a log of SARIF 2.1.0, which code scanning services read. version is that of the program.
func SARIF(w io.Writer, f *Findings, version string) error {
	var run sarifRun
	run.ColumnKind = "unicodeCodePoints"
	run.Tool.Driver = sarifDriver{Name: "codedeploy-agent validate", Version: version}
	index := map[string]int{}
	for i, r := range lint.Rules() {
		rule := sarifRule{ID: r.Name, ShortDescription: sarifText{r.Summary}, FullDescription: sarifText{r.Why}, Help: sarifText{r.Mend}}
		rule.Default.Level = levels[r.Severity]
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		index[r.Name] = i
	}
	run.Results = []sarifResult{}
	for _, p := range f.Problems {
		text := p.Message
		if p.Hint != "" {
			text += " (" + p.Hint + ")"
		}
		var at sarifLocation
		at.Physical.Artifact.URI = uri(p.File)
		if p.Line > 0 {
			at.Physical.Region = &sarifRegion{p.Line, p.Column}
		}
		run.Results = append(run.Results, sarifResult{p.Rule, index[p.Rule], levels[p.Severity], sarifText{text}, []sarifLocation{at}})
	}
	return encode(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// uri is a file's path as a relative or absolute reference.
func uri(file string) string {
	u := url.URL{Path: filepath.ToSlash(file)}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
		if !strings.HasPrefix(u.Path, "/") {
			u.Path = "/" + u.Path
		}
	}
	return u.String()
}
