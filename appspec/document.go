package appspec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"codedeploy-agent/appspec/expression"
	"gopkg.in/yaml.v3"
)

// document is the part of an AppSpec file that counts: its first YAML document.
type document struct {
	root *yaml.Node // nil when there is nothing in it
	rest int        // the line where something begins that does not count, 0 if nothing does
}

// read returns a file's first document. Whatever comes after that is not looked at, valid or not (official agent 1.8).
func read(data []byte) (document, *Problem) {
	data = normalize(data)
	if end, line := firstDocument(data); end < len(data) {
		if root, err := decode(data[:end]); err == nil {
			return document{root, line}, nil
		} // where a document ends is seen from its lines alone, which a text in quotes over several lines can defeat
	}
	root, err := decode(data)
	if err != nil {
		x := syntaxProblem(data, err)
		return document{}, &x
	}
	return document{root: root}, nil
}

var (
	byteOrderMark = []byte("\uFEFF")
	directive     = expression.Lazy{Text: `(?m)^%YAML[ \t]+1\.2\b`}
	escaped       = expression.Lazy{Text: `\\.`}
)

// normalize writes what the YAML library does not understand in a way that it does: UTF-16, byte order marks, which concatenated files have
// in the middle, the directive of YAML 1.2, and JSON's escaped slashes. Lines stay as they are counted.
func normalize(data []byte) []byte {
	if order := wide(data); order != nil {
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = order.Uint16(data[2*i:])
		}
		data = []byte(string(utf16.Decode(units)))
	}
	if bytes.Contains(data, byteOrderMark) { // ReplaceAll always copies
		data = bytes.ReplaceAll(data, byteOrderMark, nil)
	}
	if at := directive.Regexp().FindIndex(data); at != nil {
		data = bytes.Clone(data)
		data[at[1]-1] = '1'
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte{'{'}) {
		data = escaped.Regexp().ReplaceAllFunc(data, func(b []byte) []byte {
			if b[1] == '/' {
				return b[1:]
			}
			return b
		})
	}
	return data
}

// wide returns the byte order of UTF-16 with a mark, nil for everything else.
func wide(data []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		return binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		return binary.BigEndian
	}
	return nil
}

// firstDocument returns where the first document ends and the line of what comes after it, the file's length and 0 if nothing comes.
// A document ends before "---" and after "...", and before a line that is indented less than its first one.
func firstDocument(data []byte) (end, rest int) {
	offset, line, indent, started, ended := 0, 0, -1, false, false
	for text := range bytes.Lines(data) {
		line++
		start := offset
		offset += len(text)
		text = bytes.TrimRight(text, " \t\r\n")
		body := bytes.TrimLeft(text, " \t")
		begins, ends := marker(text, "---"), marker(text, "...")
		switch {
		case len(body) == 0, body[0] == '#':
		case ended:
			if len(body) > len("---") || !begins && !ends {
				return end, line
			}
		case started && (begins || ends):
			end, ended = start, true
			if begins && len(body) > len("---") {
				return end, line
			}
		case begins:
			started = true
			if len(body) > len("---") {
				indent = 0
			}
		case ends, !started && body[0] == '%':
		case indent < 0:
			started, indent = true, bytes.IndexFunc(text, func(r rune) bool { return r != ' ' })
			if bytes.IndexByte([]byte(`{["'`), body[0]) >= 0 { // indentation has no meaning there
				indent = 0
			}
		case bytes.IndexFunc(text, func(r rune) bool { return r != ' ' }) < indent:
			return start, line
		}
	}
	return len(data), 0
}

// marker says whether a line begins with a mark that stands between documents.
func marker(line []byte, mark string) bool {
	after, ok := bytes.CutPrefix(line, []byte(mark))
	return ok && (len(after) == 0 || after[0] == ' ' || after[0] == '\t')
}

// decode returns the content of the first document with its aliases in place, nil if there is none.
func decode(data []byte) (root *yaml.Node, err error) {
	defer func() { // bad input must not end the agent, whatever the library does
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML library failed: %v", r)
		}
	}()
	var doc yaml.Node
	err = yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return resolve(doc.Content[0]), nil
}
