package install

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/agent/progress"
	"codedeploy-agent/hooks/faultpoint"
)

// errChanged says that the host or the revision is not any more as it was when the plan was made.
var errChanged = errors.New("it was changed while the revision was being installed")

// Apply carries out the plan. All new files are written first, beside where they go; then they are put in place, each in one step; then
// what the previous revision had besides is removed. If something fails before that, or ctx is cancelled, everything is put back and
// the error says what failed. work, which may be nil, says meanwhile how far it is.
//
// While it runs, the clean-up list names everything of the old and of the new revision, so that whatever an interruption leaves is removed
// by the next Install.
func (p *Plan) Apply(ctx context.Context, work *progress.Work) error {
	if p.applied {
		return errors.New("cannot apply a plan twice")
	}
	if p.request.Contents != nil {
		return errors.New("cannot apply a plan for a revision that has not been unpacked")
	}
	p.applied = true
	a := &application{plan: p, ctx: ctx, work: work, staged: map[string]string{}, record: &record{path: p.request.RecordFile}}
	a.outcome = newOutcome(p)
	a.outcome.look = a.lookAt
	defer a.to.close()
	mark := make([]byte, 4)
	rand.Read(mark) // never fails
	a.mark = tempPrefix + hex.EncodeToString(mark) + "-"
	if err := a.run(); err != nil {
		return a.rollBack(err)
	}
	a.finish()
	return nil
}

// tempPrefix begins every temporary name: hidden, so that no program takes the file for one of its own.
const tempPrefix = ".codedeploy-"

// asideSuffix is for the short time in which a file system that cannot exchange two names needs a third one.
const asideSuffix = "-old"

// tempName is the form of temporary names.
var tempName = regexp.MustCompile(`^\.codedeploy-[0-9a-f]{8}-[0-9]+(-old)?$`)

// temporaryName says whether a name has that form.
func temporaryName(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && tempName.MatchString(name)
}

// application is the carrying out of a plan.
type application struct {
	plan    *Plan
	ctx     context.Context
	work    *progress.Work
	mark    string // what temporary names begin with
	outcome *outcome
	to      handles
	// staged says where a new directory is until it is put in place: its own place to the temporary one, for the outermost ones.
	staged map[string]string
	// inStaged is what stagedDir has said of a directory: most files follow others of the same one.
	inStaged struct {
		dir, place string
		inside     bool
	}
	moves   []*move
	record  *record  // what to do if something fails
	old     []*move  // moves whose temporary name holds what stood at the place
	oldDirs []*move  // those of them that hold a directory
	named   bool     // there is a list of odd names
	failed  []string // paths of the previous revision that could not be removed
	asking  sync.Mutex
}

// move is something new that is put at a place where perhaps something stands.
type move struct {
	dir, temp, name string // both names are in dir
	path            string
	was             identity // what must stand there
	new             identity // what is put there, once it has been made
	placed          bool
	foreign         bool // what stands there is not the previous revision's
}

// step is asked before each change, by several goroutines where files are made.
func (a *application) step(what, path string) error {
	if err := a.ctx.Err(); err != nil {
		return fmt.Errorf("cannot %s %s: %w", what, show(path), err)
	}
	if f := a.plan.options.fault; f != nil {
		a.asking.Lock()
		err := f(what, path)
		a.asking.Unlock()
		if err != nil {
			return fmt.Errorf("cannot %s %s: %w", what, show(path), err)
		}
	}
	if err := faultpoint.At("install " + what); err != nil {
		return fmt.Errorf("cannot %s %s: %w", what, show(path), err)
	}
	return nil
}

func (a *application) run() error {
	p := a.plan
	if err := a.step("write", p.request.InstructionsFile); err != nil {
		return err
	}
	digest := sha256.New()
	err := durable.Write(p.request.InstructionsFile, p.request.stateMode(), func(w io.Writer) error {
		return p.writeInstructions(io.MultiWriter(w, digest))
	})
	if err != nil {
		return err
	}
	a.record.instructions = savedInstructions{rawPath(p.request.InstructionsFile), digest.Sum(nil)}
	a.prepare()
	for _, stage := range []func() error{a.begin, a.writeTransition, a.stage, a.sync, a.identify, a.keepReplaced, a.putInPlace, a.changeKept, a.changeOutside,
		a.setContexts, a.sync, a.writeLists, a.commit} {
		if err := stage(); err != nil {
			return err
		}
	}
	return nil
}

// begin records what is needed to take everything back.
func (a *application) begin() error {
	left := a.plan.left
	r := a.record
	r.moves = a.moves
	for _, s := range []stateFile{left.names, left.list} {
		r.lists = append(r.lists, savedList{Path: rawPath(s.path), Found: s.found, Mode: s.mode, Content: rawContent(s.content)})
	}
	if len(a.foreignMoves()) > 0 {
		r.replaced = a.plan.request.ReplacedDir
	}
	if err := a.step("record the install at", r.path); err != nil {
		return err
	}
	return r.begin()
}

// identify records what everything new is, and what will be changed where it stands, before any of it gets its name.
func (a *application) identify() error {
	err := sharing(len(a.moves), func(to *handles, i int) error {
		m := a.moves[i]
		h, err := to.in(m.dir)
		if err != nil {
			return err
		}
		is, err := h.look(m.temp)
		m.new = identityOf(is)
		return err
	})
	if err != nil {
		return err
	}
	save := func(dir, name string, is info) error {
		h, err := a.to.in(dir)
		if err != nil {
			return err
		}
		o, err := h.openPlace(name, is)
		if err != nil {
			return err
		}
		defer o.close()
		a.record.attributes = append(a.record.attributes, savedAttributes{Dir: rawPath(dir), Name: rawPath(name), Is: identityOf(is),
			UID: o.info.uid, GID: o.info.gid, Mode: o.info.mode, Lists: o.lists()})
		return nil
	}
	for _, s := range a.plan.steps {
		if s.dir != nil && s.dir.kept() {
			if err := save(s.dir.dir, s.dir.name, s.dir.was.info); err != nil {
				return err
			}
		}
	}
	for _, x := range a.plan.outside {
		if err := save(x.dir, x.name, x.info); err != nil {
			return err
		}
	}
	if err := a.step("record the install at", a.record.path); err != nil {
		return err
	}
	return a.record.place()
}

// commit ends the time in which the Install can be taken back.
func (a *application) commit() error {
	if err := a.step("complete the install at", a.record.path); err != nil {
		return err
	}
	return a.record.remove()
}

// prepare decides which steps are made under temporary names and counts what there is to do.
func (a *application) prepare() {
	number, files, bytes := 0, int64(0), int64(0)
	defer func() { a.work.Expect(files, bytes) }()
	temp := func(dir, name, path string, was info) *move {
		number++
		m := &move{dir: dir, temp: a.mark + strconv.Itoa(number), name: name, path: path, was: identityOf(was)}
		a.moves = append(a.moves, m)
		return m
	}
	for _, s := range a.plan.steps {
		switch {
		case s.dir != nil && !s.dir.kept():
			if _, inside := a.stagedDir(s.dir.dir); inside {
				continue
			}
			was := info{}
			if s.dir.was != nil {
				was = s.dir.was.info
			}
			m := temp(s.dir.dir, s.dir.name, s.dir.path, was)
			a.staged[filepath.Join(s.dir.dir, s.dir.name)] = filepath.Join(m.dir, m.temp)
			a.inStaged.dir = ""
		case s.file != nil && !s.file.unchanged:
			files++
			bytes += s.file.info.size
			if _, inside := a.stagedDir(s.file.dir); !inside {
				temp(s.file.dir, s.file.name(), s.file.path, *s.file.was).foreign = s.file.foreign
			}
		}
	}
}

// stagedDir returns where a directory is before things are put in place, and whether that is under a temporary name.
func (a *application) stagedDir(dir string) (string, bool) {
	if last := &a.inStaged; last.dir != dir {
		last.dir, last.place, last.inside = dir, dir, false
		for at := dir; ; at = filepath.Dir(at) {
			if temp, ok := a.staged[at]; ok {
				last.place, last.inside = temp+strings.TrimPrefix(dir, at), true
				break
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return a.inStaged.place, a.inStaged.inside
}

// change gives something the owner, mode and lists that the grants say.
func (a *application) change(dir, name string, expect info, grants []*grant) error {
	h, err := a.to.in(dir)
	if err != nil {
		return err
	}
	o, err := h.openPlace(name, expect)
	if err != nil {
		return err
	}
	defer o.close()
	return o.set(granted(o.info, grants))
}

// putInPlace gives everything new its name, which all processors share: none of it depends on another, and the less time passes between the first and the last,
// the better for whoever uses the files. What stood there gets the temporary name and is removed at the very end.
func (a *application) putInPlace() error {
	err := sharing(len(a.moves), func(to *handles, i int) error { return a.place(to, a.moves[i]) })
	if err != nil {
		return err
	}
	for _, m := range a.moves {
		if m.new.Kind == directory {
			a.to.forget(filepath.Join(m.dir, m.temp))
		}
		if m.was.Kind == directory {
			a.to.forget(filepath.Join(m.dir, m.name))
			a.oldDirs = append(a.oldDirs, m)
		}
		if m.was.Kind != absent {
			a.old = append(a.old, m)
		}
	}
	return nil
}

func (a *application) place(to *handles, m *move) error {
	if err := a.step("put in place", m.path); err != nil {
		return err
	}
	h, err := to.in(m.dir)
	if err != nil {
		return err
	}
	stands, err := h.look(m.name)
	if err != nil {
		return err
	}
	switch {
	case m.was.Kind == absent && stands.kind == absent:
		err = m.put(h)
	case m.was.Kind == absent || !stands.is(m.was):
		return fmt.Errorf("cannot put %s in place: %w", show(m.path), errChanged)
	default:
		err = m.swap(h, a.plan.options.copyOnly)
	}
	m.placed = err == nil
	return err
}

// put gives the new thing its name where nothing stands.
func (m *move) put(h *handle) error {
	err := h.place(m.temp, m.name)
	if errors.Is(err, errNoSuchRename) {
		err = h.rename(m.temp, m.name) // somebody would have had to make something there since look
	}
	return err
}

// swap exchanges the new thing and what stands at its place. Where the file system cannot do that in one step, a file is still
// replaced in one step; something else is away for a moment.
func (m *move) swap(h *handle, byHand bool) error {
	err := errNoSuchRename
	if !byHand {
		err = h.exchange(m.temp, m.name)
	}
	if !errors.Is(err, errNoSuchRename) {
		return err
	}
	comes, err := h.look(m.temp)
	if err != nil {
		return err
	}
	aside := m.temp + asideSuffix
	if m.was.Kind != directory && comes.kind != directory && h.link(m.name, aside) == nil {
		if err := h.rename(m.temp, m.name); err != nil {
			return errors.Join(err, h.unlink(aside))
		}
		return h.rename(aside, m.temp)
	}
	if err := h.rename(m.name, aside); err != nil {
		return err
	}
	if err := h.rename(m.temp, m.name); err != nil {
		return errors.Join(err, h.rename(aside, m.name))
	}
	return h.rename(aside, m.temp)
}

// sync makes what was done so far durable, before anything builds on it.
func (a *application) sync() error {
	if a.plan.options.skipSync {
		return nil
	}
	devices, last := map[uint64]bool{}, ""
	for _, m := range a.moves {
		if m.dir == last {
			continue
		}
		last = m.dir
		h, err := a.to.in(m.dir)
		if err != nil {
			return err
		}
		i, err := h.look(".")
		if err != nil {
			return err
		}
		if devices[i.dev] {
			continue
		}
		devices[i.dev] = true
		if err := syncAll(m.dir); err != nil {
			return err
		}
	}
	return nil
}
