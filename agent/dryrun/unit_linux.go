package dryrun

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// unitDirectories are where units are, the first counts (systemd.unit(5)); the last has those of programs that other tools supervise.
var unitDirectories = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", programsDir}

// unit is a systemd service as its files in the view describe it.
type unit struct {
	name string // with .service
	// settings are the values of each key, by "Section.Key".
	settings map[string][]string
	// main is the main process as the one that supervises the service knows it; 0 if it does not.
	main int
}

// loadUnit reads a service's unit and its drop-ins; nil if it has none.
func loadUnit(name string) (*unit, error) {
	if !strings.HasSuffix(name, ".service") {
		name += ".service"
	}
	if name != filepath.Base(name) {
		return nil, nil
	}
	files := []string{name}
	if template, ok := templateOf(name); ok {
		files = append(files, template)
	}
	u := &unit{name: name, settings: map[string][]string{}}
	found := false
	for _, file := range files {
		for _, dir := range unitDirectories {
			data, err := os.ReadFile(filepath.Join(dir, file))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found = true
			u.read(data)
			break
		}
		if found {
			break
		}
	}
	if !found {
		return nil, nil
	}
	for _, file := range files {
		for _, dir := range slices.Backward(unitDirectories) {
			dropIns, _ := filepath.Glob(filepath.Join(dir, file+".d", "*.conf"))
			for _, path := range dropIns {
				data, err := os.ReadFile(path)
				if err != nil {
					return nil, err
				}
				u.read(data)
			}
		}
	}
	return u, nil
}

// templateOf is the template of an instance's name.
func templateOf(name string) (string, bool) {
	prefix, rest, ok := strings.Cut(name, "@")
	if !ok || rest == ".service" {
		return "", false
	}
	return prefix + "@.service", true
}

// read adds a unit file's settings. An empty value takes back what was said before.
func (u *unit) read(data []byte) {
	section := ""
	for _, line := range strings.Split(string(bytes.ReplaceAll(data, []byte("\\\n"), []byte(" "))), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		key, value = section+"."+strings.TrimSpace(key), strings.TrimSpace(value)
		if value == "" {
			delete(u.settings, key)
			continue
		}
		u.settings[key] = append(u.settings[key], u.specifiers(value))
	}
}

// specifiers puts in what a unit may leave open (systemd.unit(5)).
func (u *unit) specifiers(s string) string {
	plain := strings.TrimSuffix(u.name, ".service")
	prefix, instance, _ := strings.Cut(plain, "@")
	host, _ := os.Hostname()
	return strings.NewReplacer("%%", "%", "%n", u.name, "%N", plain, "%p", prefix, "%i", instance, "%I", strings.ReplaceAll(instance, "-", "/"),
		"%H", host, "%t", "/run", "%S", "/var/lib", "%C", "/var/cache", "%L", "/var/log").Replace(s)
}

// get is the last value of a key of the service's section, or other.
func (u *unit) get(key, other string) string {
	if values := u.settings["Service."+key]; len(values) > 0 {
		return values[len(values)-1]
	}
	return other
}

// start limits were keys of the service's section once.
func (u *unit) limit(key, older, other string) string {
	for _, k := range []string{"Unit." + key, "Service." + older} {
		if values := u.settings[k]; len(values) > 0 {
			return values[len(values)-1]
		}
	}
	return other
}

func (u *unit) all(key string) []string { return u.settings["Service."+key] }

// timeout reads a time limit; without or with an endless one it is systemd's default.
func (u *unit) timeout(key string) time.Duration {
	const usual = 90 * time.Second
	if d := timeSpan(u.get(key, u.get("TimeoutSec", "")), usual); d > 0 {
		return d
	}
	return usual
}

// timeSpan reads a time span as units have it (systemd.time(7)); for one that is empty or cannot be read it is other.
func timeSpan(text string, other time.Duration) time.Duration {
	if text == "" {
		return other
	}
	var total time.Duration
	parts := strings.Fields(text)
	for i, part := range parts {
		if part[0] > '9' {
			if i == 0 {
				return other
			}
			continue // the unit of the number before
		}
		if i+1 < len(parts) && parts[i+1][0] > '9' {
			part += parts[i+1]
		}
		part = strings.NewReplacer("min", "m", "msec", "ms", "sec", "s", "hr", "h").Replace(part)
		d, err := time.ParseDuration(part)
		if err != nil {
			d, err = time.ParseDuration(part + "s")
		}
		if err != nil {
			return other
		}
		total += d
	}
	return total
}

// environment is what the service's programs are started with.
func (u *unit) environment() ([]string, error) {
	env := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if lang := os.Getenv("LANG"); lang != "" {
		env["LANG"] = lang
	}
	for _, value := range u.all("Environment") {
		words, err := splitWords(value)
		if err != nil {
			return nil, fmt.Errorf("cannot read Environment=%s: %w", value, err)
		}
		for _, w := range words {
			if name, v, ok := strings.Cut(w, "="); ok {
				env[name] = v
			}
		}
	}
	for _, path := range u.all("EnvironmentFile") {
		optional := strings.HasPrefix(path, "-")
		data, err := os.ReadFile(strings.TrimPrefix(path, "-"))
		if err != nil && optional {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read its environment: %w", err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			line = strings.TrimSpace(line)
			name, v, ok := strings.Cut(line, "=")
			if !ok || line[0] == '#' || line[0] == ';' {
				continue
			}
			if words, err := splitWords(v); err == nil && len(words) == 1 && strings.ContainsAny(v[:1], `"'`) {
				v = words[0]
			}
			env[strings.TrimSpace(name)] = v
		}
	}
	var list []string
	for name, v := range env {
		list = append(list, name+"="+v)
	}
	slices.Sort(list)
	return list, nil
}

// splitWords splits a value at spaces; quotes and backslashes keep words together.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inside, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			inside = true
			switch s[i] {
			case 'n':
				word.WriteByte('\n')
			case 't':
				word.WriteByte('\t')
			default:
				word.WriteByte(s[i])
			}
		default:
			inside = true
			word.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}

// command is one Exec line.
type command struct {
	argv []string
	// mayFail: its failure does not count. asRoot: it is not run as the service's user.
	mayFail, asRoot bool
}

// parseCommand reads an Exec line; env is what variables in it stand for.
func parseCommand(line string, env []string) (command, error) {
	var c command
	ownName := false
	for line != "" && strings.ContainsRune("-@:+!|", rune(line[0])) {
		switch line[0] {
		case '-':
			c.mayFail = true
		case '+', '!':
			c.asRoot = true
		case '@':
			ownName = true
		}
		line = line[1:]
	}
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return c, fmt.Errorf("cannot read the command %q: %w", line, err)
	}
	if ownName && len(words) > 1 {
		words = append(words[:1], words[2:]...)
	}
	value := func(name string) string {
		for _, kv := range slices.Backward(env) {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v
			}
		}
		return ""
	}
	for _, w := range words {
		if name, ok := strings.CutPrefix(w, "$"); ok && name != "" && isName(name) {
			c.argv = append(c.argv, strings.Fields(value(name))...)
			continue
		}
		c.argv = append(c.argv, braces(w, value))
	}
	return c, nil
}

func isName(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// braces puts in the values of ${NAME}.
func braces(s string, value func(string) string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		b.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			if ok {
				b.WriteString("${" + rest)
			}
			return strings.ReplaceAll(b.String(), "$$", "$")
		}
		b.WriteString(value(name))
		s = after
	}
}
