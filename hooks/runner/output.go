package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"codedeploy-agent/appspec/plaintext"
)

const (
	// lineLimit cuts a line that never ends into pieces (official agent 2.x has the same limit).
	lineLimit = 64 << 10
	// rotateAt and rotations bound what a hook can write: 64 MiB in 8 files (official agents).
	rotateAt  = 64 << 20
	rotations = 7
)

// logFile is a log that is appended to and rotated by size. Each line is one write, so that several runners can share the log
// of all deployments. Every line begins at the start of a line, also after a script's last line that had no end, or one that
// a crash cut short.
type logFile struct {
	path    string
	mode    fs.FileMode
	limit   int64 // the size at which it is rotated
	f       *os.File
	size    int64 // what the file had when it was last looked at, and what was written since
	since   int64 // what was written since
	midLine bool  // what was written last has no line end
}

func openLog(path string, mode fs.FileMode) (*logFile, error) {
	l := &logFile{path: path, mode: mode, limit: rotateAt}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, l.mode)
	if err != nil {
		return fmt.Errorf("cannot write the log of the hooks: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("cannot write the log of the hooks: %w", err)
	}
	l.f, l.size, l.since, l.midLine = f, info.Size(), 0, false
	if l.size > 0 {
		last := []byte{'\n'}
		f.ReadAt(last, l.size-1) // on failure the log only looks a little worse
		l.midLine = last[0] != '\n'
	}
	return nil
}

// write appends a line with its line end, or a last one that has none.
func (l *logFile) write(line string) error {
	if l.since > l.limit/64 {
		if err := l.look(); err != nil {
			return err
		}
	}
	if l.size > 0 && l.size+int64(len(line)) > l.limit {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.midLine {
		line = "\n" + line
	}
	n, err := io.WriteString(l.f, line)
	l.size += int64(n)
	l.since += int64(n)
	l.midLine = !strings.HasSuffix(line[:n], "\n")
	return err
}

// look finds out what other runners have done to the file meanwhile: they write to it, and one of them may have rotated it.
func (l *logFile) look() error {
	ours, err := l.f.Stat()
	if err != nil {
		return err
	}
	l.size, l.since = ours.Size(), 0
	there, err := os.Stat(l.path)
	if err == nil && os.SameFile(ours, there) {
		return nil
	}
	before := l.f
	if err := l.open(); err != nil {
		return err
	}
	return before.Close()
}

// rotate gives the file the name of the newest earlier one and begins another. If another runner has just done that, there is nothing to do but
// to open the new file.
func (l *logFile) rotate() error {
	release, err := exclusive(l.f)
	if err != nil {
		return err
	}
	defer release()
	before := l.f
	if err := l.look(); err != nil || l.f != before {
		return err
	}
	for i := rotations - 1; i >= 1; i-- {
		err := os.Rename(fmt.Sprintf("%s.%d", l.path, i), fmt.Sprintf("%s.%d", l.path, i+1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	if err := l.open(); err != nil {
		return err
	}
	return before.Close()
}

// output takes the lines of a script's run to the deployment's log, the log of all deployments, the diagnostics' tail
// and, for a local deployment, the terminal. It may be used from several goroutines.
type output struct {
	mu          sync.Mutex
	scripts     *logFile
	deployments *logFile // nil when there is none
	deployment  string
	raw         bool      // lines are logged as they come
	live        io.Writer // nil when there is none
	tail        *Tail
	failed      error // the first write that failed
	now         func() time.Time
	intake      intake
}

// blanks are what the official agent 1.8 cuts off the end of a line in the log of all deployments.
const blanks = " \t\v\f\r\x00"

// line logs one line of the agent's own.
func (o *output) line(text string) { o.log("", text, "\n") }

// log logs one line. mark is "[stdout]", "[stderr]" or empty for the agent's own lines; end is the line end, "\n" or "\r\n", or empty if the
// script's output ended without one.
func (o *output) log(mark, text, end string) {
	inAll := strings.TrimRight(mark+text, blanks)
	if !o.raw {
		inAll, text = plaintext.Line(inAll), plaintext.Line(text)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.note(o.scripts.write(now.Format("2006-01-02 15:04:05 ") + mark + text + end))
	if o.deployments != nil {
		line := "[" + o.deployment + "]" + inAll
		o.note(o.deployments.write(now.Format("[2006-01-02 15:04:05.000] ") + line + "\n"))
	}
	if o.tail != nil {
		o.tail.Add(strings.ToValidUTF8(mark+text, "\uFFFD") + end)
	}
	if o.live != nil {
		if _, err := io.WriteString(o.live, mark+text+"\n"); err != nil {
			o.live = nil // the terminal went away; the deployment goes on
		}
	}
}

func (o *output) note(err error) {
	if err != nil && o.failed == nil {
		o.failed = err
	}
}

// seal ends what the diagnostics and the terminal are told; later lines go to the logs only. It returns the tail and the
// first error of writing a log.
func (o *output) seal() ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.tail.Lines()
	o.tail, o.live = nil, nil
	return lines, o.failed
}

// stream is one of a script's two outputs, as far as it is not whole lines yet. Unless the output is logged raw, a carriage return ends a line as
// well, so that each state of a progress bar can be read and none stands where another line's mark does. One before a line feed is part of the
// line end and stays.
type stream struct {
	out     *output
	mark    string
	pending []byte
	held    bool // a carriage return came after what is pending; what it means depends on the next byte
	back    bool // the last line ended with a carriage return only
}

// add logs the lines that data completes.
func (s *stream) add(data []byte) {
	ends := "\r\n"
	if s.out.raw {
		ends = "\n"
	}
	for len(data) > 0 {
		if s.held {
			if s.held = false; data[0] == '\n' {
				s.feed("\r\n")
				data = data[1:]
				continue
			}
			s.carriageReturn()
		}
		i := bytes.IndexAny(data, ends)
		if i < 0 {
			s.pending = append(s.pending, data...)
			break
		}
		s.pending = append(s.pending, data[:i]...)
		if data[i] == '\r' {
			s.held = true
		} else {
			s.feed("\n")
		}
		data = data[i+1:]
	}
	for len(s.pending) > lineLimit {
		s.out.log(s.mark, string(s.pending[:lineLimit]), "\n")
		s.pending = append(s.pending[:0], s.pending[lineLimit:]...)
	}
}

// feed logs a line that a line feed ends. Where it only ends what carriage returns have ended already, there is nothing more to log.
func (s *stream) feed(end string) {
	if len(s.pending) > 0 || !s.back {
		s.out.log(s.mark, string(s.pending), end)
	}
	s.pending, s.back = s.pending[:0], false
}

// carriageReturn logs a line that goes back to its beginning.
func (s *stream) carriageReturn() {
	if len(s.pending) > 0 {
		s.out.log(s.mark, string(s.pending), "\n")
		s.pending, s.back = s.pending[:0], true
	}
}

// end logs a last line that has no line end.
func (s *stream) end() {
	switch {
	case s.held:
		s.carriageReturn()
	case len(s.pending) > 0:
		s.out.log(s.mark, string(s.pending), "")
	}
}
