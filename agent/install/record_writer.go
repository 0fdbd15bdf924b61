package install

import (
	"bufio"
	"io"
	"strconv"
)

// recordWriter writes the lines of a record. Flush tells the first error.
type recordWriter struct {
	*bufio.Writer
	text []byte
}

func newRecordWriter(w io.Writer) *recordWriter {
	return &recordWriter{Writer: bufio.NewWriterSize(w, 32<<10)}
}

func (w *recordWriter) line(l recordLine) {
	w.WriteString(marshal(l))
	w.WriteByte('\n')
}

// move writes the line of a move, and new that of what it puts at its place: marshal is slow for thousands.
func (w *recordWriter) move(m *move) {
	t := append(w.text[:0], `{"move":{"dir":`...)
	t = rawPath(m.dir).appendTo(t)
	t = appendText(append(t, `,"temp":`...), m.temp, "")
	t = rawPath(m.name).appendTo(append(t, `,"name":`...))
	t = rawPath(m.path).appendTo(append(t, `,"path":`...))
	t = m.was.appendTo(append(t, `,"was":`...))
	w.text = append(t, "}}\n"...)
	w.Write(w.text)
}

func (w *recordWriter) new(i identity) {
	t := append(w.text[:0], `{"new":`...)
	w.text = append(i.appendTo(t), "}\n"...)
	w.Write(w.text)
}

func (i identity) appendTo(t []byte) []byte {
	t = strconv.AppendUint(append(t, `{"kind":`...), uint64(i.Kind), 10)
	t = strconv.AppendUint(append(t, `,"dev":`...), i.Dev, 10)
	t = strconv.AppendUint(append(t, `,"ino":`...), i.Ino, 10)
	t = strconv.AppendInt(append(t, `,"time":`...), i.Time, 10)
	return append(t, '}')
}
