package revision

import (
	"os"
	"sync/atomic"
)

// handle is an open directory with several users, each of whom releases it. What it does is fit for several goroutines.
type handle struct {
	*os.Root
	users atomic.Int32
	names handleNames
}

// openHandle opens the directory name of parent for one user.
func openHandle(parent *os.Root, name string) (*handle, error) {
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	f := &handle{Root: root}
	if err := f.names.open(root); err != nil {
		root.Close()
		return nil, err
	}
	f.retain()
	return f, nil
}

// retain adds a user.
func (f *handle) retain() { f.users.Add(1) }

// release closes the directory if nobody else uses it.
func (f *handle) release() {
	if f.users.Add(-1) == 0 {
		f.names.close()
		f.Root.Close()
	}
}
