package packaging

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"mvdan.cc/sh/v3/syntax"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parseShell fails the test unless the script is one.
func parseShell(t *testing.T, name, script string) {
	t.Helper()
	if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(script), name); err != nil {
		t.Errorf("%v", err)
	}
}

// decode reads YAML, and fails the test for keys that the type does not have.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(readFile(t, path)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestScriptsAreShell(t *testing.T) {
	t.Parallel()
	shared := readFile(t, "scripts/service.sh")
	scripts, err := filepath.Glob("scripts/*/*")
	if err != nil || len(scripts) < 10 {
		t.Fatalf("scripts: %v, %v", scripts, err)
	}
	for _, path := range scripts {
		parseShell(t, path, shared+readFile(t, path))
	}
	for _, path := range []string{"build.sh", "image/install.sh", "openrc/codedeploy-agent"} {
		parseShell(t, path, readFile(t, path))
	}
}

// The unit has what the packages' promises rest on, and its program is the one that is installed.
func TestUnit(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "KillMode=process", "OOMPolicy=continue", "WantedBy=multi-user.target",
		"After=network-online.target multi-user.target", "Wants=network-online.target"} {
		if !strings.Contains(Unit, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
	if strings.Count(Unit, UnitProgram) != 1 {
		t.Errorf("the unit does not start %s", UnitProgram)
	}
}

// What nfpm.yaml names is there or is made by build.sh.
func TestContentsExist(t *testing.T) {
	t.Parallel()
	var description struct {
		Contents []struct{ Src, Dst, Type string }
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "nfpm.yaml")), &description); err != nil {
		t.Fatal(err)
	}
	build := readFile(t, "build.sh")
	for _, c := range description.Contents {
		name, staged := strings.CutPrefix(strings.TrimSuffix(c.Src, "*.gz"), "stage/")
		if staged && !strings.Contains(build, "$stage/"+strings.TrimSuffix(name, "/")) && !strings.HasPrefix(name, "completion.") &&
			!strings.Contains(build, "$stage\"/"+strings.TrimSuffix(name, "/")) {
			t.Errorf("build.sh does not make %s", c.Src)
		}
	}
	if len(description.Contents) < 20 {
		t.Errorf("only %d contents", len(description.Contents))
	}
}

// The schema of EC2 Image Builder's components, as far as the component uses it (AWSTOE component document, schema version 1.0).
func TestImageBuilderComponent(t *testing.T) {
	t.Parallel()
	type parameter struct{ Type, Description, Default string }
	var c struct {
		Name, Description string
		SchemaVersion     string                 `yaml:"schemaVersion"`
		Parameters        []map[string]parameter `yaml:"parameters"`
		Phases            []struct {
			Name  string
			Steps []struct {
				Name, Action string
				Inputs       yaml.Node
			}
		}
	}
	decode(t, "image/image-builder.yaml", &c)
	if c.SchemaVersion != "1.0" || c.Name == "" {
		t.Errorf("schemaVersion %q, name %q", c.SchemaVersion, c.Name)
	}
	parameters := map[string]bool{}
	for _, p := range c.Parameters {
		for name, of := range p {
			if of.Type != "string" {
				t.Errorf("parameter %s is a %s", name, of.Type)
			}
			parameters[name] = true
		}
	}
	used := regexp.MustCompile(`\{\{ *([A-Za-z0-9.]+) *\}\}`).FindAllStringSubmatch(readFile(t, "image/image-builder.yaml"), -1)
	for _, u := range used {
		if !parameters[u[1]] {
			t.Errorf("no parameter %s", u[1])
		}
	}
	for i, phase := range c.Phases {
		if want := []string{"build", "validate", "test"}; i >= len(want) || phase.Name != want[i] {
			t.Errorf("phase %d is %s", i, phase.Name)
		}
		for _, s := range phase.Steps {
			switch s.Action {
			case "ExecuteBash":
				var in struct{ Commands []string }
				if err := s.Inputs.Decode(&in); err != nil || len(in.Commands) == 0 {
					t.Errorf("step %s: %v", s.Name, err)
				}
				parseShell(t, s.Name, strings.Join(in.Commands, "\n"))
			case "S3Download":
				var in []struct {
					Source, Destination string
					Overwrite           bool
				}
				if err := s.Inputs.Decode(&in); err != nil || len(in) != 1 {
					t.Errorf("step %s: %v", s.Name, err)
				}
			case "CreateFolder":
				var in []struct{ Path string }
				if err := s.Inputs.Decode(&in); err != nil || len(in) != 1 {
					t.Errorf("step %s: %v", s.Name, err)
				}
			default:
				t.Errorf("step %s: no action %s", s.Name, s.Action)
			}
		}
	}
}

func TestCloudConfig(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("image/cloud-init*.yaml")
	if len(files) != 2 {
		t.Fatalf("files: %v", files)
	}
	for _, path := range files {
		if !strings.HasPrefix(readFile(t, path), "#cloud-config\n") {
			t.Errorf("%s does not begin with #cloud-config: cloud-init would ignore it", path)
		}
		var c struct {
			PackageUpdate bool     `yaml:"package_update"`
			Packages      []string `yaml:"packages"`
			WriteFiles    []struct {
				Path, Permissions, Content string
			} `yaml:"write_files"`
			RunCmd [][]string `yaml:"runcmd"`
		}
		decode(t, path, &c)
		if len(c.RunCmd) == 0 {
			t.Errorf("%s runs nothing", path)
		}
		for _, f := range c.WriteFiles {
			if !regexp.MustCompile(`^0[0-7]{3}$`).MatchString(f.Permissions) {
				t.Errorf("%s: permissions %q of %s", path, f.Permissions, f.Path)
			}
		}
	}
}

// The schema of SSM's command documents, version 2.2, as far as the document uses it.
func TestSSMDocument(t *testing.T) {
	t.Parallel()
	var d struct {
		SchemaVersion string `json:"schemaVersion"`
		Description   string `json:"description"`
		Parameters    map[string]struct {
			Type           string `json:"type"`
			Description    string `json:"description"`
			AllowedPattern string `json:"allowedPattern"`
		} `json:"parameters"`
		MainSteps []struct {
			Action       string         `json:"action"`
			Name         string         `json:"name"`
			Precondition map[string]any `json:"precondition"`
			Inputs       struct {
				TimeoutSeconds string   `json:"timeoutSeconds"`
				RunCommand     []string `json:"runCommand"`
			} `json:"inputs"`
		} `json:"mainSteps"`
	}
	decoder := json.NewDecoder(strings.NewReader(readFile(t, "image/ssm-document.json")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.SchemaVersion != "2.2" || len(d.MainSteps) != 1 || d.MainSteps[0].Action != "aws:runShellScript" {
		t.Errorf("schema version %s, steps %+v", d.SchemaVersion, d.MainSteps)
	}
	script := strings.Join(d.MainSteps[0].Inputs.RunCommand, "\n")
	parseShell(t, "runCommand", script)
	for name, p := range d.Parameters {
		pattern, err := regexp.Compile(p.AllowedPattern)
		if err != nil || p.Type != "String" {
			t.Errorf("parameter %s: type %s, %v", name, p.Type, err)
			continue
		}
		// What a parameter holds becomes part of a script.
		if pattern.MatchString(`s3://b/x'; rm -rf / #.deb`) {
			t.Errorf("parameter %s lets a command through", name)
		}
		if !strings.Contains(script, "{{ "+name+" }}") {
			t.Errorf("parameter %s is not used", name)
		}
	}
	if ok := regexp.MustCompile(d.Parameters["Package"].AllowedPattern).MatchString("s3://bucket/codedeploy-agent_1.2.0~rc1_amd64.deb"); !ok {
		t.Error("the pattern of Package refuses a package")
	}
}

// The Packer template is parsed by "make lint-packages"; here only what it refers to is looked at.
func TestPackerTemplate(t *testing.T) {
	t.Parallel()
	text := readFile(t, "image/codedeploy-agent.pkr.hcl")
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^variable "([a-z]+)"`).FindAllStringSubmatch(text, -1) {
		declared = append(declared, m[1])
	}
	for _, m := range regexp.MustCompile(`\bvar\.([a-z]+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(declared, m[1]) {
			t.Errorf("no variable %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\$\{path\.root\}/([a-z.]+)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("image", m[1])); err != nil {
			t.Error(err)
		}
	}
}
