package install

import (
	"path/filepath"
	"sync"

	"codedeploy-agent/agent/crew"
)

// ahead reads directories of the unpacked revision before their turn comes: to look at what is in them takes longer than to plan it. It is for one
// goroutine, and has to be stopped.
type ahead struct {
	begun  map[string]<-chan piece
	end    chan struct{}
	atWork sync.WaitGroup
}

// readAhead is how many of a directory's directories each processor has to read.
const readAhead = 8

// piece is some entries of a directory, or why there are no more.
type piece struct {
	entries []named
	err     error
}

func newAhead() *ahead {
	return &ahead{begun: map[string]<-chan piece{}, end: make(chan struct{})}
}

// stop ends all reading.
func (r *ahead) stop() {
	close(r.end)
	r.atWork.Wait()
}

// list calls each for every entry of a directory. Of the directories that each is told of, the next ones are being read already.
func (r *ahead) list(dir string, each func(named) error) error {
	pieces := r.read(dir)
	delete(r.begun, dir)
	for p := range pieces {
		next, reading := 0, 0
		for _, e := range p.entries {
			for ; next < len(p.entries) && reading < readAhead*crew.Size(); next++ {
				if n := p.entries[next]; n.info.kind == directory {
					r.read(filepath.Join(dir, n.name))
					reading++
				}
			}
			if err := each(e); err != nil {
				return err
			}
			if e.info.kind == directory {
				reading--
			}
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// read returns what a goroutine reads of a directory.
func (r *ahead) read(dir string) <-chan piece {
	if pieces, ok := r.begun[dir]; ok {
		return pieces
	}
	pieces := make(chan piece, 1)
	r.begun[dir] = pieces
	r.atWork.Go(func() {
		defer close(pieces)
		unpacked{}.pieces(dir, func(p piece) bool {
			select {
			case pieces <- p:
				return true
			case <-r.end:
				return false
			}
		})
	})
	return pieces
}
