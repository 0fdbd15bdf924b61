package revision

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Preview is a revision as Unpack or CopyDirectory would make it, of which nothing is written: an index that knows modes, owners and times, too,
// and whose links out of the revision are followed on this host. The Sys of a FileInfo has the methods Owner and SHA256. The bundle
// must stay where it is as long as the preview is used, and nobody else may use it at the same time. Close it at the end.
type Preview struct {
	*index
	src *os.Root // of a directory
}

// Close gives back what the preview holds.
func (p *Preview) Close() error {
	if p.src == nil {
		return nil
	}
	return p.src.Close()
}

// maxHeldPreview is how much of one file a preview keeps: what its lines are compared of.
const maxHeldPreview = 1 << 20

func newPreview() *Preview {
	return &Preview{index: &index{root: newFolder(), held: maxHeld, heldFile: maxHeldPreview, preview: true, making: func(bool) error { return nil }}}
}

// PreviewBundle is what Unpack would make of a bundle. What Unpack would refuse for the bundle's sake is refused with the same reason.
func PreviewBundle(ctx context.Context, f Format, bundle string, o UnpackOptions) (*Preview, error) {
	p := newPreview()
	if err := p.read(ctx, f, bundle, o); err != nil {
		return nil, err
	}
	return p, nil
}

// PreviewDirectory is what CopyDirectory would make of a directory at dst. What CopyDirectory would refuse is refused with the same reason;
// contents are read only when they are asked for.
func PreviewDirectory(ctx context.Context, src, dst string, o UnpackOptions) (*Preview, error) {
	p := newPreview()
	p.direct = func(name string) (fs.File, error) { return p.src.OpenFile(name, os.O_RDONLY|openFlags, 0) }
	c := &copier{ctx: ctx, o: o, as: renewed, to: p.index}
	c.glance = func(name string, a attributes, size int64) error {
		return p.put(name, &node{mode: a.fileMode(), uid: a.uid, gid: a.gid, mtime: a.mtime, size: size, entry: name})
	}
	err := outside(src, filepath.Dir(dst))
	if err == nil {
		if p.src, err = os.OpenRoot(src); err == nil {
			err = c.directory(p.src, ".", ".")
		}
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("cannot copy the directory %s: %w", src, err)
	}
	return p, nil
}

// Outside is the path of this host that a name leads to through a link with a full path, "" if it stays in the revision.
func (p *Preview) Outside(name string) string {
	_, err := p.find("stat", name, true)
	out := p.outside(err)
	if real, err := filepath.EvalSymlinks(out); err == nil && out != "" {
		return real
	}
	return out
}

// Demand is how many bytes, in blocks of a size, and how many files, directories and links the revision will be on the disk.
func (p *Preview) Demand(block int64) (bytes, files int64) {
	seen := map[*node]bool{}
	var add func(*node)
	add = func(n *node) {
		if seen[n] { // a second name
			return
		}
		seen[n] = true
		files++
		switch {
		case n.mode.IsDir():
			bytes += block
			for _, e := range n.entries {
				add(e)
			}
		case n.mode&fs.ModeSymlink == 0:
			bytes += (n.size + block - 1) / block * block
		}
	}
	add(p.root)
	return bytes, files
}
