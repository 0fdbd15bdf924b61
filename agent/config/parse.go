package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"codedeploy-agent/appspec/expression"
	"codedeploy-agent/appspec/spelling"
)

// maxSize bounds a configuration file.
const maxSize = 1 << 20

// Parse reads a configuration file's content; see Load.
func Parse(file string, data []byte) (*Config, []Problem, error) {
	p := &parser{file: file}
	c := Default()
	c.StateDir = ""
	p.document(c, data)
	if len(p.problems) > 0 {
		return nil, nil, &Error{p.problems}
	}
	c.complete()
	p.advise(c)
	return c, p.warnings, nil
}

type parser struct {
	file               string
	problems, warnings []Problem
}

func (p *parser) problem(line int, key, format string, args ...any) {
	p.problems = append(p.problems, Problem{p.file, line, key, fmt.Sprintf(format, args...)})
}

func (p *parser) warning(line int, key, format string, args ...any) {
	p.warnings = append(p.warnings, Problem{p.file, line, key, fmt.Sprintf(format, args...)})
}

var yamlLine = expression.Lazy{Text: `^line (\d+): `}

func (p *parser) document(c *Config, data []byte) {
	if len(data) > maxSize {
		p.problem(0, "", "the file has %d bytes and may have %d", len(data), maxSize)
		return
	}
	doc, err := decode(data)
	if err != nil {
		text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1]) // the pattern has only digits; too many of them leave 0
			text = strings.TrimPrefix(text, m[0])
		}
		p.problem(line, "", "it is not valid YAML: %s", text)
		return
	}
	if doc == nil || doc.Kind == yaml.ScalarNode && doc.Value == "" {
		return // nothing but comments: the defaults hold
	}
	if doc.Kind != yaml.MappingNode {
		p.problem(doc.Line, "", "the file must have a setting in each line, such as wait_between_runs: 30")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(doc.Content); i += 2 {
		at, value := doc.Content[i], doc.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		name := strings.TrimPrefix(at.Value, ":") // the Ruby agent's file has symbols
		if line, twice := seen[name]; twice {
			p.warning(at.Line, name, "it is set in line %d already; this one counts", line)
		}
		seen[name] = at.Line
		p.set(c, name, at, value)
	}
}

func decode(data []byte) (content *yaml.Node, err error) {
	defer func() { // bad input must not end the agent, whatever the library does
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML library failed: %v", r)
		}
	}()
	var doc yaml.Node
	err = yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

// scalar is a value as a file would have it.
func scalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func (p *parser) set(c *Config, name string, at, value *yaml.Node) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		if near := spelling.Nearest(name, names()); near != "" {
			p.warning(at.Line, strconv.Quote(name), "there is no such setting; did you mean %s?", near)
		} else {
			p.warning(at.Line, strconv.Quote(name), "there is no such setting; codedeploy-agent config lists all")
		}
		return
	}
	k := &keys[i]
	if value.Kind == yaml.ScalarNode && (value.Tag == "!!null" || value.Value == "") {
		return // a key without a value leaves the default (official agents)
	}
	if k.field == nil {
		p.warning(at.Line, name, "it has no effect (%s)", k.about)
		return
	}
	note, err := assign(c, k, value)
	if err != nil {
		p.problem(value.Line, name, "%s", err)
	} else if note != "" {
		p.warning(value.Line, name, "%s", note)
	}
}

// assign sets a field from a value of the file. note is what a person should know about it.
func assign(c *Config, k *key, n *yaml.Node) (note string, err error) {
	field := k.field(c)
	if list, ok := field.(*[]string); ok {
		*list, err = words(n)
		return "", err
	}
	if n.Kind != yaml.ScalarNode {
		return "", fmt.Errorf("it is a list or mapping and must be %s", k.allowed())
	}
	bad := fmt.Errorf("%q must be %s", n.Value, k.allowed())
	switch f := field.(type) {
	case *string:
		if k.choices != nil && !slices.Contains(k.choices, n.Value) {
			return "", bad
		}
		if strings.ContainsRune(n.Value, 0) {
			return "", errors.New("it has a NUL byte")
		}
		if k.check != nil {
			switch why := k.check(n.Value); {
			case why != "" && k.secret:
				return "", fmt.Errorf("its value, which may hold a password and is not shown, cannot be used: %s", why)
			case why != "":
				return "", fmt.Errorf("%q cannot be used: %s", n.Value, why)
			}
		}
		*f = n.Value
	case *bool:
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			*f = true
		case "false", "no", "off":
			*f = false
		default:
			return "", bad
		}
	case *int:
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil || v < k.min || v > k.max {
			return "", bad
		}
		*f = int(v)
	case *int64:
		v, err := parseSize(n.Value)
		if err != nil {
			return "", bad
		}
		*f = v
	case *time.Duration:
		v, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsNaN(v) || v < float64(k.min) || v > float64(k.max) {
			return "", bad
		}
		if k.cap > 0 && v > float64(k.cap) {
			v, note = float64(k.cap), fmt.Sprintf("it is cut to %d", k.cap)
		}
		*f = time.Duration(v * float64(time.Second))
	}
	return note, nil
}

// allowed says in words what a setting may be.
func (k *key) allowed() string {
	if k.choices != nil {
		return strings.Join(k.choices, " or ")
	}
	switch k.field(&Config{}).(type) {
	case *bool:
		return "true or false"
	case *int:
		if k.max == math.MaxInt32 {
			return fmt.Sprintf("a whole number from %d", k.min)
		}
		return fmt.Sprintf("a whole number from %d to %d", k.min, k.max)
	case *int64:
		return "a number of bytes such as 500MB or 4GiB"
	case *time.Duration:
		return fmt.Sprintf("a number of seconds from %d", k.min)
	case *[]string:
		return "a list"
	}
	return "a text"
}

// words reads a list, or a text with commas.
func words(n *yaml.Node) ([]string, error) {
	if n.Kind == yaml.ScalarNode {
		parts := strings.Split(n.Value, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		return parts, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("it is a mapping and must be a list")
	}
	var out []string
	for _, x := range n.Content {
		if x.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: an entry must be a text", x.Line)
		}
		out = append(out, strings.TrimSpace(x.Value))
	}
	return out, nil
}

// units are the sizes of the official agent 2.x.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1}, {"", 1},
}

var errSize = errors.New("not a size")

func parseSize(text string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.ToLower(strings.TrimSpace(text)), u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || v < 0 || v > math.MaxInt64/u.bytes {
			return 0, errSize
		}
		return v * u.bytes, nil
	}
	return 0, errSize
}

// advise warns of settings that work and are probably not meant.
func (p *parser) advise(c *Config) {
	for _, e := range []struct{ name, value string }{{"deploy_control_endpoint", c.DeployControlEndpoint}, {"s3_endpoint_override", c.S3EndpointOverride}} {
		if host, plain := strings.CutPrefix(e.value, "http://"); plain && !strings.HasPrefix(host, "127.0.0.1") && !strings.HasPrefix(host, "localhost") && !strings.HasPrefix(host, "[::1]") {
			p.warning(0, e.name, "plain HTTP shows deployments to whoever listens on the way; use https")
		}
	}
	if c.WaitBetweenRuns < time.Second {
		c.WaitBetweenRuns = time.Second
		p.warning(0, "wait_between_runs", "it is raised to 1")
	}
}
