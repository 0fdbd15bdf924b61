package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many links may lead to one another, as in Linux.
const maxLinks = 40

// followLinks finds out what permissions on a link of the revision change. The official agents change what the link leads to. Here
// that is decided before anything is touched: something that is installed too, or something of the host, which is then reached
// without following any link.
func (b *builder) followLinks() {
	for _, t := range b.plan.grants { // what each path was given until now is given once more, in the order of the entries
		if t.file != nil {
			t.file.grants = nil
		} else {
			t.dir.grants = nil
		}
	}
	targets := b.plan.grants[:0]
	for _, t := range b.plan.grants {
		if t.file == nil || t.file.info.kind != link {
			if t.file != nil {
				t.file.grants = t.grant.and(t.file.grants)
			} else {
				t.dir.grants = t.grant.and(t.dir.grants)
			}
			targets = append(targets, t)
			continue
		}
		if b.throughLink(&t) {
			targets = append(targets, t)
		}
	}
	b.plan.grants = targets
}

func (b *builder) throughLink(t *target) bool {
	line, f, path := t.grant.entry.Line, t.file, t.file.path
	if b.plan.request.Hardening.RejectSymlinkTargets {
		b.problem(line, path, "refused because of reject_symlink_permission_targets", "the permissions of %s would change what this link leads to", show(path))
		return false
	}
	end, found, err := b.resolve(f.dir, f.text, maxLinks)
	var foreign *foreignLinkError
	if errors.As(err, &foreign) {
		b.problem(line, path, foreignLinkHint, "the permissions of the link %s would change something else: %v", show(path), foreign)
		return false
	}
	if err != nil {
		b.problem(line, path, "", "cannot follow the link %s: %v", show(path), plainError(err))
		return false
	}
	t.file, t.via = nil, &viaLink{path, end}
	switch {
	case b.files[end] != nil && b.files[end].info.kind != link: // which it is where links lead in a circle
		t.file = b.files[end]
		t.file.grants = t.grant.and(t.file.grants)
	case b.made[end] != nil:
		t.dir = b.made[end]
		t.dir.grants = t.grant.and(t.dir.grants)
	case found.kind == absent:
		b.warning(line, path, "", "the permissions of %s have no effect: the link leads nowhere", show(path))
		return false
	case found.kind == special:
		b.problem(line, path, "leave it out of the permissions", "the permissions of %s would change the device, FIFO or socket %s", show(path), show(end))
		return false
	case found.kind == regular && found.links > 1 && b.shared(end):
		b.problem(line, path, "remove the other names, or leave it out of the permissions",
			"the permissions of the link %s would change %s, which has %d names in directories that other users may change", show(path), show(end), found.links)
		return false
	default:
		b.warning(line, path, "set reject_symlink_permission_targets to refuse this",
			"the permissions of the link %s change %s, which is not part of the revision", show(path), show(end))
		t.outside = b.elsewhere(end, found)
		t.outside.grants = t.grant.and(t.outside.grants)
	}
	if t.grant.hasDefault && t.dir == nil && found.kind != directory {
		b.problem(line, path, "default entries are for directories", "the file %s cannot have a default acl", show(end))
		return false
	}
	return true
}

// elsewhere returns the step for something of the host, always the same one for one place.
func (b *builder) elsewhere(place string, i info) *outside {
	for _, o := range b.plan.outside {
		if o.dir == filepath.Dir(place) && o.name == filepath.Base(place) {
			return o
		}
	}
	o := &outside{dir: filepath.Dir(place), name: filepath.Base(place), info: i}
	b.plan.outside = append(b.plan.outside, o)
	return o
}

// resolve follows a path from a directory through the host as it will be after the Install and returns the place where it ends.
func (b *builder) resolve(dir, path string, links int) (string, info, error) {
	at := dir
	if filepath.IsAbs(path) {
		at = filepath.VolumeName(path) + string(filepath.Separator)
		path = path[len(filepath.VolumeName(path)):]
	}
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
	found := info{kind: directory}
	for i, part := range parts {
		switch part {
		case ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		place := filepath.Join(at, part)
		text, stands, err := b.future(place)
		if err != nil {
			return "", info{}, err
		}
		if stands.kind != link {
			if i < len(parts)-1 && stands.kind != directory {
				return place, info{}, nil
			}
			at, found = place, stands
			continue
		}
		if links == 0 {
			return place, info{}, nil
		}
		end, stands, err := b.resolve(at, text, links-1)
		if err != nil {
			return end, info{}, err
		}
		if err := b.trust(place, end, stands); err != nil {
			return end, info{}, err
		}
		rest := filepath.Join(parts[i+1:]...)
		switch {
		case rest == "":
			return end, stands, nil
		case stands.kind != directory:
			return end, info{}, nil
		}
		return b.resolve(end, rest, links-1)
	}
	return at, found, nil
}

// trust says why a link is not to be followed from its place to where it ends. One that the revision installs is, and so is what leads to
// something that it installs; for others see follow.
func (b *builder) trust(place, end string, stands info) error {
	if stands.kind == absent || b.files[place] != nil || b.files[end] != nil || b.made[end] != nil {
		return nil
	}
	_, now, err := follow(place, b.plan.view.foreign)
	if err == nil && !now.same(stands) {
		err = errChanged
	}
	return err
}

// shared says whether others than root and this process's user may put names into the directory of a place, also second names of files that
// are not theirs.
func (b *builder) shared(place string) bool {
	fi, err := os.Lstat(filepath.Dir(place))
	if err != nil {
		return true
	}
	dir := infoOf(fi)
	return suspect(dir, dir) != noID || dir.mode&0o022 != 0
}

// future is what will stand at a place, and where it leads if it is a link.
func (b *builder) future(place string) (string, info, error) {
	if b.made[place] != nil {
		return "", info{kind: directory}, nil
	}
	if f := b.files[place]; f != nil {
		return f.text, f.info, nil
	}
	i, err := b.plan.view.at(place)
	if err != nil || i.kind != link {
		return "", i, err
	}
	text, err := os.Readlink(place)
	return text, i, err
}
