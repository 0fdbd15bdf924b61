package install

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
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

// keepReplaced moves what the Install has replaced and no deployment had put there to Request.ReplacedDir, so that an operator can bring it
// back when the deployment fails later (official agents: it is gone). It returns the moves that it has dealt with.
func (a *application) keepReplaced() map[*move]bool {
	kept := map[*move]bool{}
	p := a.plan
	var foreign []*move
	for _, m := range a.old {
		if m.foreign && (m.was.kind == regular || m.was.kind == link) {
			foreign = append(foreign, m)
		}
	}
	if len(foreign) == 0 || p.request.ReplacedDir == "" {
		return kept
	}
	dir, err := a.makeReplacedDir(foreign)
	if err != nil {
		p.log.Warn("what the revision has replaced is not kept", zap.Error(err))
		return kept
	}
	for n, m := range foreign {
		if err := a.moveTo(m, dir, strconv.Itoa(n+1)); err != nil {
			p.log.Warn("what the revision has replaced is not kept", zap.String("path", m.path), zap.Error(err))
			continue
		}
		kept[m] = true
	}
	p.log.Info("what stood at the place of new files and was not installed by a deployment is kept until the next deployment",
		zap.String("dir", dir), zap.Int("files", len(kept)))
	return kept
}

// makeReplacedDir makes the directory with its index, which is complete before anything is moved.
func (a *application) makeReplacedDir(foreign []*move) (string, error) {
	dir := a.plan.request.ReplacedDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	index := make([]replacedFile, 0, len(foreign))
	for n, m := range foreign {
		f := replacedFile{Path: rawPath(m.path), File: strconv.Itoa(n + 1)}
		if m.was.kind == link {
			text, err := os.Readlink(filepath.Join(m.dir, m.temp))
			if err != nil {
				return "", err
			}
			f.Link = rawPath(text)
		}
		index = append(index, f)
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return "", err
	}
	return dir, durable.WriteFile(filepath.Join(dir, replacedIndex), append(text, '\n'), 0o600)
}

// moveTo moves what stands at a move's temporary name to another directory, which may be on another file system.
func (a *application) moveTo(m *move, dir, name string) error {
	to, err := a.from.in(dir)
	if err != nil {
		return err
	}
	from, err := a.to.in(m.dir)
	if err != nil {
		return err
	}
	if from.move(m.temp, to, name) == nil {
		return nil
	}
	if m.was.kind == regular { // of a link the index says where it led
		is, err := from.look(m.temp)
		if err != nil {
			return err
		}
		if err := a.copier.copy(from, m.temp, is, to, name, attributes{uid: is.uid, gid: is.gid, mode: is.mode}); err != nil {
			if e := to.unlink(name); !missing(e) {
				err = errors.Join(err, e)
			}
			return err
		}
	}
	return from.unlink(m.temp)
}
