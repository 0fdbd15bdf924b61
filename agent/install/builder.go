package install

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"codedeploy-agent/appspec"
)

// builder makes a plan and collects what is wrong with it.
type builder struct {
	ctx      context.Context
	plan     *Plan
	behavior appspec.FileExistsBehavior
	problems []Problem
	dirs     map[string]string    // a destination's directories: path to place, "" where there cannot be one
	made     map[string]*dirStep  // by place
	files    map[string]*fileStep // by place
	byPath   map[string]*fileStep // where the path is not the place
	accounts accounts
	expanded int                                            // entries found through links to directories
	list     func(dir string, each func(named) error) error // the revision's directories, as the plan's reader has them
}

func newBuilder(ctx context.Context, r Request, o options, root string, left *remains) *builder {
	b := &builder{ctx: ctx, dirs: map[string]string{}, made: map[string]*dirStep{}, files: map[string]*fileStep{},
		byPath: map[string]*fileStep{}, behavior: r.Behavior,
		plan: &Plan{request: r, options: o, root: root, left: left, log: r.Log}}
	if r.AppSpec.FileExistsBehavior != "" {
		b.behavior = r.AppSpec.FileExistsBehavior
	}
	if b.behavior == "" {
		b.behavior = appspec.Disallow
	}
	return b
}

func (b *builder) run() error {
	p := b.plan
	var err error
	if p.view, err = newView(p.left, p.request.Hardening.FollowForeignLinks); err != nil {
		return fmt.Errorf("cannot see what the previous revision left: %w", err)
	}
	p.warnings = append(p.warnings, p.view.warnings...)
	list, stop := p.reader.lister()
	defer stop()
	b.list = list
	for i := range p.request.AppSpec.Files {
		if err := b.mapping(&p.request.AppSpec.Files[i]); err != nil {
			return err
		}
	}
	for i := range p.request.AppSpec.Permissions {
		if err := b.permission(&p.request.AppSpec.Permissions[i]); err != nil {
			return err
		}
	}
	b.followLinks()
	if err := b.compare(); err != nil {
		return err
	}
	b.checkAccess()
	b.checkOwners()
	b.checkSpace()
	return b.ctx.Err()
}

func (b *builder) problem(line int, path, hint, format string, args ...any) {
	b.problems = append(b.problems, Problem{Path: path, Line: line, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

func (b *builder) warning(line int, path, hint, format string, args ...any) {
	b.plan.warnings = append(b.plan.warnings, Problem{Path: path, Line: line, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// require returns the place of a destination's directory. Directories that do not exist become steps, the outermost first.
// It returns "" if there cannot be such a directory, which is a problem that is told once.
func (b *builder) require(path string, line int) string {
	if place, ok := b.dirs[path]; ok {
		return place
	}
	place := b.provide(path, line)
	b.dirs[path] = place
	return place
}

func (b *builder) provide(path string, line int) string {
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	dir := b.require(parent, line)
	if dir == "" {
		return ""
	}
	place := filepath.Join(dir, filepath.Base(path))
	if b.made[place] != nil {
		return place
	}
	if f := b.files[place]; f != nil {
		b.problem(line, path, "", "a directory is needed at %s, where the file %s of the revision goes", show(path), show(f.source()))
		return ""
	}
	found, err := b.plan.view.at(place)
	if err != nil {
		b.problem(line, path, "", "cannot look at %s: %v", show(path), plainError(err))
		return ""
	}
	switch found.kind {
	case absent:
		d := &dirStep{path: path, dir: dir, name: filepath.Base(path), was: b.plan.view.gone[place]}
		if d.was != nil {
			d.was.reused = true
		}
		b.made[place] = d
		b.plan.steps = append(b.plan.steps, step{dir: d})
		return place
	case directory:
		return place
	case link:
		return b.through(path, place, line)
	}
	b.problem(line, path, "the destination of a source is always a directory; remove what stands there or choose another destination",
		"%s stands at %s, where a directory is needed", found.kind, show(path))
	return ""
}

// through returns the directory that a link of the host leads to.
func (b *builder) through(path, place string, line int) string {
	end, found, err := b.plan.view.leads(place, b.plan.view.foreign)
	var foreign *foreignLinkError
	switch {
	case errors.As(err, &foreign):
		b.problem(line, path, foreignLinkHint, "cannot install below %s: %v", show(path), foreign)
	case err != nil:
		b.problem(line, path, "", "cannot follow the link %s: %v", show(path), plainError(err))
	case found.kind == directory || b.made[end] != nil:
		return end
	default:
		b.problem(line, path, "remove the link or make the directory", "the link at %s leads to no directory, where one is needed", show(path))
	}
	return ""
}
