//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// foreign is the time of what no deployment has made.
var foreign = time.Unix(1600000000, 0)

// standing puts files below the destination that no deployment has made.
func (p *play) standing(files []file) {
	p.t.Helper()
	filled := slices.Clone(files)
	for i := range filled {
		filled[i].content = p.fill(filled[i].content)
	}
	p.layOut(filepath.Join(p.group, "srv"), filled)
	for _, f := range filled {
		if _, target := f.entry(); target == "" {
			if err := os.Chtimes(filepath.Join(p.dest, f.name), time.Time{}, foreign); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// installed lists what is below the destination: path, mode, content or target, and what is unusual about it. A directory's path ends with
// a slash. The owner is named if it is not the agent's user, and "foreign" marks files that no deployment has made. Files must have the
// bundle's time, which of a directory that is deployed is the time of the deployment; "new" and "old" mark those that have not.
func (p *play) installed() []string {
	p.t.Helper()
	var out []string
	err := filepath.WalkDir(p.dest, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		line, err := p.describe(path, d)
		out = append(out, line)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *play) describe(path string, d fs.DirEntry) (string, error) {
	info, err := d.Info()
	if err != nil {
		return "", err
	}
	rel, _ := filepath.Rel(p.dest, path)
	if !regexp.MustCompile(`^[!-~]+$`).MatchString(rel) {
		rel = strconv.QuoteToASCII(rel)
	}
	st := info.Sys().(*syscall.Stat_t)
	line := fmt.Sprintf("%s %o", rel, uint32(st.Mode)&0o7777)
	switch {
	case info.IsDir():
		line = fmt.Sprintf("%s/ %o", rel, uint32(st.Mode)&0o7777)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		line = rel + " -> " + p.plain(target)
	case info.Mode().IsRegular():
		data, err := readAnyway(path, st)
		if err != nil {
			return "", err
		}
		if len(data) > 0 {
			line += " " + shown(p.plain(string(data)))
		}
		switch now := !info.ModTime().Equal(packedAt); {
		case info.ModTime().Equal(foreign):
			line += " foreign"
		case now && !p.copied:
			line += " new"
		case !now && p.copied:
			line += " old"
		}
	default:
		line += " special"
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if p.user != nil {
		uid, gid = p.user.uid, p.user.gid
	}
	if int(st.Uid) != uid || int(st.Gid) != gid {
		line += fmt.Sprintf(" owner=%d:%d", st.Uid, st.Gid)
	}
	return line + accessLists(path, info), nil
}

// readAnyway reads a file, also one that its mode keeps from the tests' user, who owns it.
func readAnyway(path string, st *syscall.Stat_t) ([]byte, error) {
	data, err := os.ReadFile(path)
	if !os.IsPermission(err) {
		return data, err
	}
	if err := syscall.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	data, err = os.ReadFile(path)
	return data, errors.Join(err, syscall.Chmod(path, uint32(st.Mode)&0o7777))
}

// shown is a file's content in one line.
func shown(s string) string {
	s = strings.TrimSuffix(s, "\n")
	if !regexp.MustCompile(`^[ -~]*$`).MatchString(s) {
		s = strconv.QuoteToASCII(s)
	}
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return s
}

// consistent checks what must hold below the deployment root after any deployment.
func (p *play) consistent(id string) {
	p.t.Helper()
	for suffix, want := range map[string]string{"_most_recent_install": p.recent, "_last_successful_install": p.successful} {
		if want != "" {
			want = p.inRoot(p.group, want)
		}
		if got := p.instructions(suffix); got != want {
			p.t.Errorf("%s is %q, want %q", suffix, got, want)
		}
	}
	if p.recent != id {
		// What was not downloaded leaves an empty bundle, what could not be unpacked an empty archive, what was not asked for nothing.
		archive, err := os.ReadDir(p.inRoot(p.group, id, "deployment-archive"))
		bundle, none := os.Stat(p.inRoot(p.group, id, "bundle.tar"))
		if err == nil && len(archive) > 0 || err != nil && none == nil && bundle.Size() > 0 {
			p.t.Errorf("a download that failed left the archive %v, %v", archive, err)
		}
	}
	if p.successful == id {
		p.listed()
	}
	p.logs(id)
}

// listed checks that the clean-up list, with the list of odd names beside it, names what the instructions make, in their order, and that
// all of it is there.
func (p *play) listed() {
	p.t.Helper()
	var doc struct {
		Instructions []struct{ Type, Directory, Destination string }
	}
	if err := json.Unmarshal([]byte(p.instructions("-install.json")), &doc); err != nil {
		p.t.Fatalf("install.json: %v", err)
	}
	var want []string
	for _, i := range doc.Instructions {
		switch i.Type {
		case "mkdir":
			want = append(want, i.Directory)
		case "copy":
			want = append(want, i.Destination)
		}
	}
	odd := strings.Split(p.instructions("-cleanup.names"), "\x00")
	odd = odd[:len(odd)-1]
	var made []string
	for line := range strings.Lines(p.instructions("-cleanup")) {
		if path, ok := strings.CutSuffix(line, "\n"); !ok {
			p.t.Errorf("the clean-up list's last line is cut short: %q", line)
		} else if !strings.Contains(path, "\x00") {
			made = append(made, path)
		}
	}
	for _, path := range slices.Concat(made, odd) {
		if _, err := os.Lstat(path); err != nil {
			p.t.Errorf("the clean-up list names what is not there: %v", err)
		}
	}
	// JSON has no way to say a name that is no text.
	for i := range odd {
		odd[i] = strings.ToValidUTF8(odd[i], "\uFFFD")
	}
	for i := range made {
		made[i] = strings.ToValidUTF8(made[i], "\uFFFD")
	}
	if got := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(odd, s) }); !slices.Equal(got, made) {
		p.t.Errorf("the clean-up list is\n%s\nand the instructions make\n%s", strings.Join(made, "\n"), strings.Join(want, "\n"))
	}
}

var (
	scriptsLine     = regexp.MustCompile(`(?s)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*?)\n?$`)
	deploymentsLine = regexp.MustCompile(`(?s)^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[d-[^\]]*\](.*)\n$`)
)

// layout lists what the group has below the deployment root, with modes.
func (p *play) layout() []string {
	p.t.Helper()
	var paths []string
	for _, pattern := range []string{p.group + "/*", p.group + "/*/*", p.group + "/*/*/*", p.group + "/*/*/*/*",
		"deployment-instructions/" + p.group + "-*", "deployment-instructions/" + p.group + "_*"} {
		found, err := filepath.Glob(p.inRoot(pattern))
		if err != nil {
			p.t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	var out []string
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			p.t.Fatal(err)
		}
		rel, _ := filepath.Rel(p.path("root"), path)
		slash := ""
		if info.IsDir() {
			slash = "/"
		}
		out = append(out, fmt.Sprintf("%s%s %o", strings.TrimPrefix(p.plain(rel), "GROUP/"), slash, info.Mode().Perm()))
	}
	slices.Sort(out)
	return out
}

// logLines are the lines of a deployment's log without their times; 1 is the rule's first deployment.
func (p *play) logLines(number int) []string {
	p.t.Helper()
	var out []string
	for line := range strings.Lines(p.read(p.inRoot(p.group, p.ids[number-1], "logs", "scripts.log"))) {
		if m := scriptsLine.FindStringSubmatch(line); m != nil {
			out = append(out, m[2])
		}
	}
	return out
}

// logs checks the form of the deployment's log, and that the log of all deployments says the same.
func (p *play) logs(id string) {
	p.t.Helper()
	one, all := []string{}, []string{}
	for line := range strings.Lines(p.read(p.inRoot(p.group, id, "logs", "scripts.log"))) {
		m := scriptsLine.FindStringSubmatch(line)
		if m == nil {
			p.t.Fatalf("scripts.log has the line %q", line)
		}
		if at, err := time.ParseInLocation(time.DateTime, m[1], time.Local); err != nil || time.Since(at).Abs() > 10*time.Minute {
			p.t.Errorf("scripts.log has the time %s, want the local time", m[1])
		}
		one = append(one, strings.TrimRight(m[2], " \t\v\f\r\x00")) // as the log of all deployments has it
	}
	if len(one) == 0 {
		return
	}
	for line := range strings.Lines(p.read(p.inRoot("deployment-logs", "codedeploy-agent-deployments.log"))) {
		if !strings.Contains(line, "] ["+id+"]") {
			continue
		}
		m := deploymentsLine.FindStringSubmatch(line)
		if m == nil {
			p.t.Fatalf("the log of all deployments has the line %q", line)
		}
		all = append(all, m[1])
	}
	if !slices.Equal(one, all) && !slices.Contains(p.rule.settings, ":enable_deployments_log: false") {
		p.t.Errorf("scripts.log has\n%s\nand the log of all deployments\n%s", strings.Join(one, "\n"), strings.Join(all, "\n"))
	}
}
