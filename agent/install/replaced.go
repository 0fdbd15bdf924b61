package install

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"go.uber.org/zap"

	"codedeploy-agent/agent/durable"
)

// replacedIndex is the list of what a directory of replaced files holds.
const replacedIndex = "index.json"

// replacedFile is one line of the index: what stood at a path and under which name it is kept.
type replacedFile struct {
	Path rawPath `json:"path"`
	File string  `json:"file"`
	Link rawPath `json:"link,omitempty"` // where a link led
}

// keepReplaced keeps what the Install is going to replace and no deployment had put there in Request.ReplacedDir, so that an operator can bring
// it back when the deployment fails later (official agents: it is gone). A second name of the same file costs no space.
func (a *application) keepReplaced() error {
	p := a.plan
	foreign := a.foreignMoves()
	if len(foreign) == 0 {
		return nil
	}
	if err := a.step("keep what is replaced in", p.request.ReplacedDir); err != nil {
		return err
	}
	dir, names, err := a.makeReplacedDir(foreign)
	if err != nil {
		return fmt.Errorf("cannot keep what the revision replaces: %w", err)
	}
	var keeping handles
	defer keeping.close()
	for n, m := range foreign {
		if names[n] == "" {
			continue
		}
		if err := a.keep(m, &keeping, dir, names[n]); err != nil {
			return fmt.Errorf("cannot keep %s, which the revision replaces: %w", show(m.path), err)
		}
	}
	p.log.Info("what stood at the place of new files and was not installed by a deployment is kept until the next deployment",
		zap.String("dir", dir), zap.Int("files", len(foreign)))
	return nil
}

// foreignMoves are those that replace what is to be kept.
func (a *application) foreignMoves() []*move {
	var foreign []*move
	for _, m := range a.moves {
		if a.plan.request.ReplacedDir != "" && m.foreign && (m.was.Kind == regular || m.was.Kind == link) {
			foreign = append(foreign, m)
		}
	}
	return foreign
}

// makeReplacedDir makes the directory with its index, which is complete before anything is kept, and returns the names for the moves. What
// an attempt that was cut off has kept stays: only that was there before any deployment. Its moves have no name.
func (a *application) makeReplacedDir(foreign []*move) (dir string, names []string, err error) {
	dir = a.plan.request.ReplacedDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", nil, err
	}
	var index []replacedFile
	path := filepath.Join(dir, replacedIndex)
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &index); err != nil {
			return "", nil, fmt.Errorf("cannot read %s: %w", path, err)
		}
	}
	before := len(index)
	for _, m := range foreign {
		if slices.ContainsFunc(index[:before], func(f replacedFile) bool { return string(f.Path) == m.path }) {
			names = append(names, "")
			continue
		}
		f := replacedFile{Path: rawPath(m.path), File: strconv.Itoa(len(index) + 1)}
		if m.was.Kind == link {
			text, err := os.Readlink(filepath.Join(m.dir, m.name))
			if err != nil {
				return "", nil, err
			}
			f.Link = rawPath(text)
		}
		index, names = append(index, f), append(names, f.File)
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return "", nil, err
	}
	return dir, names, durable.WriteFile(path, append(text, '\n'), 0o600)
}

// keep gives what stands at a move's place a second name, or copies it to another file system.
func (a *application) keep(m *move, keeping *handles, dir, name string) error {
	to, err := keeping.in(dir)
	if err != nil {
		return err
	}
	from, err := a.to.in(m.dir)
	if err != nil {
		return err
	}
	if from.linkTo(m.name, to, name) == nil || m.was.Kind == link { // of a link the index says where it led
		return nil
	}
	is, err := from.look(m.name)
	if err != nil {
		return err
	}
	if !is.is(m.was) {
		return errChanged
	}
	var c copier
	return c.copy(from, m.name, is, to, name, attributes{uid: is.uid, gid: is.gid, mode: is.mode}, nil)
}
