// Command bill writes what an agent's binary is made of: a bill of materials (CycloneDX 1.6, JSON) and the licences of the modules in it. Both are
// read from the binary and from the module cache it was built from, so that the same binary gives the same bytes.
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	binary := flag.String("binary", "", "the agent's binary")
	version := flag.String("version", "", "its version")
	date := flag.String("date", "", "the date of the bill, RFC 3339")
	bill := flag.String("bill", "", "file to write the bill of materials to")
	licences := flag.String("licences", "", "file to write the licences to")
	flag.Parse()
	if err := write(*binary, *version, *date, *bill, *licences); err != nil {
		fmt.Fprintln(os.Stderr, "bill:", err)
		os.Exit(1)
	}
}

func write(binary, version, date, bill, licences string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("cannot read what %s was built from: %w", binary, err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var modules []*debug.Module
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b *debug.Module) int { return cmp.Compare(a.Path, b.Path) })
	if bill != "" {
		digest := sha256.Sum256(content)
		text, err := json.MarshalIndent(billOf(info, modules, version, date, hex.EncodeToString(digest[:])), "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(bill, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if licences == "" {
		return nil
	}
	text, err := licencesOf(info.GoVersion, modules)
	if err != nil {
		return err
	}
	return os.WriteFile(licences, []byte(text), 0o644)
}

// The part of CycloneDX that the bill uses (https://cyclonedx.org/docs/1.6/json).
type (
	document struct {
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp,omitempty"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Scope      string     `json:"scope,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licences   []licence  `json:"licenses,omitempty"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn,omitempty"`
	}
)

func billOf(info *debug.BuildInfo, modules []*debug.Module, version, date, digest string) document {
	agent := component{Type: "application", Name: "codedeploy-agent", Version: version, Ref: "pkg:generic/codedeploy-agent@" + version,
		PURL: "pkg:generic/codedeploy-agent@" + version, Hashes: []hash{{"SHA-256", digest}}}
	agent.Licences = make([]licence, 1)
	agent.Licences[0].Licence.ID = "Apache-2.0"
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "CGO_ENABLED" {
			agent.Properties = append(agent.Properties, property{"build:" + s.Key, s.Value})
		}
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	components := []component{{Type: "library", Name: "std", Version: goVersion, Scope: "required", Ref: "pkg:golang/std@" + goVersion, PURL: "pkg:golang/std@" + goVersion}}
	for _, m := range modules {
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		c := component{Type: "library", Name: m.Path, Version: m.Version, Scope: "required", Ref: purl, PURL: purl}
		if m.Sum != "" {
			c.Properties = []property{{"go:sum", m.Sum}}
		}
		components = append(components, c)
	}
	all := dependency{Ref: agent.Ref}
	for _, c := range components {
		all.On = append(all.On, c.Ref)
	}
	return document{Format: "CycloneDX", SpecVersion: "1.6", Version: 1, Metadata: metadata{Timestamp: date, Component: agent},
		Components: components, Dependencies: []dependency{all}}
}

// licencesOf is the licence and notice files of the modules, one after the other. A module without any is an error: the binary must not be
// given to others without them.
func licencesOf(goVersion string, modules []*debug.Module) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "codedeploy-agent contains the standard library of Go and the modules below, with these licences.\n")
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find Go's licence: %w", err)
	}
	var problems []error
	problems = append(problems, appendLicences(&out, "Go "+goVersion, strings.TrimSpace(string(root))))
	for _, m := range modules {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", m.Path+"@"+m.Version).Output()
		if err != nil {
			problems = append(problems, fmt.Errorf("cannot find the sources of %s: %w", m.Path, err))
			continue
		}
		problems = append(problems, appendLicences(&out, m.Path+" "+m.Version, strings.TrimSpace(string(dir))))
	}
	return out.String(), errors.Join(problems...)
}

func appendLicences(out *strings.Builder, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(upper, "LICENSE") && !strings.HasPrefix(upper, "LICENCE") && !strings.HasPrefix(upper, "COPYING") &&
			!strings.HasPrefix(upper, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(out, "\n%s\n%s: %s\n%s\n\n%s\n", strings.Repeat("=", 80), name, e.Name(), strings.Repeat("=", 80), strings.TrimSpace(string(text)))
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", name, dir)
	}
	return nil
}
