package install

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codedeploy-agent/agent/custody"
)

// The clean-up list has a path in each line, made by the Install that wrote it, or "semanage", NUL and a path for an SELinux rule. It
// is executed from its end to its start; a last line without its line feed was cut short by a crash and is not executed
// (official agents 1.8 and 2.x).
const contextMark = "semanage\x00"

// namesSuffix names the list beside the clean-up list that holds the paths which a line cannot: those with a line feed, or with a
// blank at the end, which the official agents cut off. They are separated by NUL. Without it such a name would put
// a line of its own into the clean-up list and the next Install would delete what that says.
const namesSuffix = ".names"

// remains is what the previous Install of the deployment group left for this one to remove.
type remains struct {
	paths    []string // in the order in which they are removed
	contexts []string // paths with SELinux rules, in the order in which they are removed
	list     stateFile
	names    stateFile
	injected map[string]bool
	warnings []Problem
}

// stateFile is a list as it was found, to be put back if the Install fails.
type stateFile struct {
	path    string
	found   bool // it was there and can be trusted
	content string
	mode    fs.FileMode
}

// readRemains reads the clean-up list. instructions is the file that the Install which wrote the list has left beside it, see injected.
func readRemains(list, instructions string) (*remains, error) {
	r := &remains{}
	var err error
	if r.injected, err = readInjected(instructions); err != nil {
		return nil, err
	}
	if r.list, err = r.read(list); err != nil {
		return nil, err
	}
	if r.names, err = r.read(list + namesSuffix); err != nil {
		return nil, err
	}
	for name := range backwards(r.names.content, 0) {
		if p, ok := r.accept(name); ok {
			r.paths = append(r.paths, p)
		}
	}
	odd := len(r.paths) > 0
	lines := r.list.content
	lines = lines[:strings.LastIndexByte(lines, '\n')+1] // what follows was cut short
	r.paths = slices.Grow(r.paths, strings.Count(lines, "\n"))
	for line := range backwards(lines, '\n') {
		text := strings.TrimSpace(line)
		if path, ok := strings.CutPrefix(text, contextMark); ok {
			if p, ok := r.accept(path); ok {
				r.contexts = append(r.contexts, p)
			}
			continue
		}
		if p, ok := r.accept(text); ok {
			r.paths = append(r.paths, p)
		}
	}
	if odd {
		// Two lists have no common order: what is in a directory goes before it.
		slices.SortStableFunc(r.paths, func(a, b string) int { return cmp.Compare(depth(b), depth(a)) })
	}
	return r, nil
}

// depth is how many directories a clean path has.
func depth(path string) int { return strings.Count(path, string(filepath.Separator)) }

// backwards tells what ends separate in a text, the last one first. They are parts of the text: a list can have a hundred thousand.
func backwards(text string, end byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := len(text); at >= 0; {
			i := strings.LastIndexByte(text[:at], end)
			if !yield(text[i+1 : at]) {
				return
			}
			at = i
		}
	}
}

// accept returns the path to remove, or false if the line must not be followed. An empty line has nothing to say.
func (r *remains) accept(line string) (string, bool) {
	if line == "" {
		return "", false
	}
	why := ""
	switch {
	case strings.ContainsRune(line, 0):
		why = "it contains a NUL byte"
	case !filepath.IsAbs(line):
		why = "it is not an absolute path"
	case climbs(line):
		why = "it climbs above the root directory"
	case filepath.Dir(filepath.Clean(line)) == filepath.Clean(line):
		why = "it is a root directory"
	case r.injected[filepath.Clean(line)]:
		why = "it is part of the name of a file that the previous revision installed, and no file itself"
	}
	if why != "" {
		r.warn(line, "a line of the clean-up list is not followed: "+why, "remove by hand what it names if that is still there")
		return "", false
	}
	return filepath.Clean(line), true
}

func (r *remains) warn(path, message, hint string) {
	r.warnings = append(r.warnings, Problem{Path: path, Message: message, Hint: hint})
}

// climbs says whether an absolute path has more ".." than directories before it.
func climbs(path string) bool {
	depth := 0
	for part := range strings.SplitSeq(filepath.ToSlash(path[len(filepath.VolumeName(path)):]), "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// read returns a list if it is there and only root and the agent's own user could have written it. Else files that somebody else names would
// be deleted; then nothing is, with a warning (official agent 2.x).
func (r *remains) read(path string) (stateFile, error) {
	s := stateFile{path: path}
	f, fi, err := r.open(path)
	if err != nil || f == nil {
		return s, err
	}
	defer f.Close()
	if s.content, err = contentOf(f, fi); err != nil {
		return s, fmt.Errorf("cannot read the previous revision's clean-up list: %w", err)
	}
	s.found, s.mode = true, fi.Mode().Perm()
	return s, nil
}

// contentOf reads a list that open has opened.
func contentOf(f *os.File, is fs.FileInfo) (string, error) {
	var content strings.Builder
	content.Grow(int(is.Size()))
	if _, err := io.Copy(&content, f); err != nil {
		return "", err
	}
	return content.String(), nil
}

// open opens what read reads, nil if there is nothing to be read.
func (r *remains) open(path string) (*os.File, fs.FileInfo, error) {
	f, err := openState(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	const hint = "files of the previous revision stay where they are; remove them by hand"
	if err != nil {
		if fi, e := os.Lstat(path); e == nil && !fi.Mode().IsRegular() {
			r.warn(path, "the clean-up list is not followed: it is not a regular file", hint)
			return nil, nil, nil
		}
		return nil, nil, fmt.Errorf("cannot read the previous revision's clean-up list: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("cannot read the previous revision's clean-up list: %w", err)
	}
	why := distrust(fi)
	var wrong *custody.Error
	if why == "" && errors.As(custody.CheckInPlace(path), &wrong) {
		why = wrong.Error()
	}
	if why != "" {
		r.warn(path, "the clean-up list is not followed: "+why, hint)
		f.Close()
		return nil, nil, nil
	}
	return f, fi, nil
}

// lists takes the paths of a clean-up list in the order in which they were made. Writing them cannot fail here; where they are written to can, see
// application.write.
type lists struct {
	lines *bufio.Writer // the official list
	names bytes.Buffer  // the list beside it, which is mostly empty
}

// add notes a path, in the list that can hold it.
func (l *lists) add(path string) {
	if fitsLine(path) {
		l.lines.WriteString(path)
		l.lines.WriteByte('\n')
		return
	}
	l.names.WriteString(path)
	l.names.WriteByte(0)
}

// addIn notes a name in a directory other than the root, mostly without making a string of it.
func (l *lists) addIn(dir, name string) {
	if !fitsLine(dir) || !fitsLine(name) {
		l.add(filepath.Join(dir, name))
		return
	}
	l.lines.WriteString(dir)
	l.lines.WriteByte(filepath.Separator)
	l.lines.WriteString(name)
	l.lines.WriteByte('\n')
}

// addContext notes an SELinux rule. One whose path does not fit a line is not noted.
func (l *lists) addContext(path string) {
	if fitsLine(path) {
		l.lines.WriteString(contextMark + path + "\n")
	}
}

// fitsLine says whether an official agent that reads the line gets the path that was written.
func fitsLine(path string) bool {
	return !strings.Contains(path, "\n") && strings.TrimSpace(path) == path && !strings.ContainsRune(path, 0)
}
