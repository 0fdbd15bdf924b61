// Package crew lets as many goroutines as there are processors share work that the system does, such as making files.
package crew

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Crew does pieces of work, several at a time and in any order. The zero value is ready. Do and Wait are for one goroutine, Failed for all.
type Crew struct {
	atWork sync.WaitGroup
	places chan struct{}
	failed atomic.Bool
	once   sync.Once
	err    error
	panic  any
}

// Size is how many pieces of work are done at a time.
func Size() int { return runtime.GOMAXPROCS(0) }

// Do has work done, and waits for its turn only. Work that takes long asks whether something has Failed already.
func (c *Crew) Do(work func() error) {
	if c.places == nil {
		c.places = make(chan struct{}, Size())
	}
	c.places <- struct{}{}
	c.atWork.Add(1)
	go func() {
		done := false
		defer func() {
			if !done { // a panic is the caller's, who knows what to do about it
				p := recover()
				c.fail(func() { c.panic = p })
			}
			<-c.places
			c.atWork.Done()
		}()
		if err := work(); err != nil {
			c.fail(func() { c.err = err })
		}
		done = true
	}()
}

func (c *Crew) fail(note func()) {
	c.once.Do(note)
	c.failed.Store(true)
}

// Failed says whether something has failed, so that work which takes long can stop.
func (c *Crew) Failed() bool { return c.failed.Load() }

// Wait returns when all work is done, with the first error. It panics if work did.
func (c *Crew) Wait() error {
	c.atWork.Wait()
	if c.panic != nil {
		panic(c.panic)
	}
	return c.err
}
