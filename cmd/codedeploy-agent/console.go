package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"codedeploy-agent/agent/progress"
)

// console is standard error. On a terminal its last line may show how far a piece of work is; whatever else is written takes its place.
type console struct {
	to       io.Writer
	columns  func() int // of the terminal; nil if it is none
	mu       sync.Mutex
	occupied bool // the last line shows how far something is
}

func newConsole(f *os.File) *console {
	c := &console{to: f}
	if terminal(f) {
		c.columns = func() int {
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil || columns < 20 {
				return 80
			}
			return columns
		}
	}
	return c
}

// terminal says whether a person sees what is written to f, on something that understands more than text.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

func (c *console) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	return c.to.Write(text)
}

// File is where it writes to, for programs that are given it. While they write nothing else does.
func (c *console) File() *os.File {
	f, _ := c.to.(*os.File)
	return f
}

// Sync is for zap; there is nothing to do.
func (c *console) Sync() error { return nil }

// clear makes the last line free. The caller holds the lock.
func (c *console) clear() {
	if c.occupied {
		io.WriteString(c.to, "\r\x1b[K")
		c.occupied = false
	}
}

// progress shows work that takes longer than a second: on a terminal in the last line, elsewhere in a line every ten seconds.
func (c *console) progress() *progress.Display {
	if c.columns == nil {
		return &progress.Display{First: time.Second, Every: 10 * time.Second, Show: func(line string) { fmt.Fprintln(c, line) }}
	}
	return &progress.Display{First: time.Second, Every: 200 * time.Millisecond,
		Show: func(line string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.clear()
			io.WriteString(c.to, line[:min(len(line), c.columns()-1)]) // the text is ASCII; a line that wraps could not be cleared
			c.occupied = true
		},
		Clear: func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.clear()
		},
	}
}
