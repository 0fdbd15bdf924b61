package lint

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// word is a word of a command. What an expansion stands for is not known: a variable is "$" and its name, other expansions are "$".
type word struct {
	text    string
	literal bool // no expansions in it
	pos     syntax.Pos
	parts   []syntax.WordPart
}

func wordsOf(words []*syntax.Word) []word {
	out := make([]word, 0, len(words))
	for _, w := range words {
		var b strings.Builder
		literal := write(&b, w.Parts, false)
		out = append(out, word{b.String(), literal, w.Pos(), w.Parts})
	}
	return out
}

// write adds the text of a word's parts and says whether that is all there is.
func write(b *strings.Builder, parts []syntax.WordPart, quoted bool) (literal bool) {
	literal = true
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(unescape(p.Value, quoted))
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			literal = write(b, p.Parts, true) && literal
		case *syntax.ParamExp:
			literal = false
			b.WriteByte('$')
			if p.Param != nil {
				b.WriteString(p.Param.Value)
			}
		default:
			literal = false
			b.WriteByte('$')
		}
	}
	return literal
}

// unescape removes the backslashes that quote.
func unescape(s string, quoted bool) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// command is a simple command without what only runs it, such as sudo.
type command struct {
	name  string // without its directory
	path  string // as written
	args  []word
	words []word // the whole command, sudo and the like included
	pos   syntax.Pos
}

// prefix is a command that runs another one: its options that take a value, and how many words come before the other one.
type prefix struct {
	values string
	words  int
}

var prefixes = map[string]prefix{
	"sudo": {"ughpCrtUDRT", 0}, "doas": {"uC", 0}, "nohup": {}, "exec": {"a", 0}, "command": {}, "builtin": {}, "setsid": {}, "time": {"fo", 0},
	"env": {"uCS", 0}, "nice": {"n", 0}, "ionice": {"cnp", 0}, "timeout": {"ks", 1}, "stdbuf": {"ioe", 0}, "runuser": {"ugG", 0}, "gosu": {"", 1},
	"chronic": {}, "unbuffer": {}, "flock": {"wE", 1},
}

// commandOf takes a simple command apart. Its name is empty if it only assigns variables or the name is not known.
func commandOf(c *syntax.CallExpr) command {
	words := wordsOf(c.Args)
	if len(words) == 0 {
		return command{}
	}
	rest := words
	for {
		p, ok := prefixes[path.Base(rest[0].text)]
		if !ok {
			break
		}
		next := p.skip(rest[1:])
		if len(next) == 0 {
			break
		}
		rest = next
	}
	first := rest[0]
	if !first.literal && !strings.Contains(first.text, "/") {
		return command{}
	}
	return command{name: path.Base(first.text), path: first.text, args: rest[1:], words: words, pos: words[0].pos}
}

// skip returns the words of the command that is run.
func (p prefix) skip(args []word) []word {
	for len(args) > 0 {
		text := args[0].text
		switch {
		case text == "--":
			args = args[1:]
			return args[min(p.words, len(args)):]
		case len(text) > 1 && text[0] == '-':
			value := !strings.HasPrefix(text, "--") && strings.IndexByte(p.values, text[len(text)-1]) >= 0
			args = args[1:]
			if value && len(args) > 0 {
				args = args[1:]
			}
		case strings.Contains(text, "=") && !strings.HasPrefix(text, "$") && !strings.Contains(text, "/="):
			args = args[1:] // a variable for the command
		default:
			return args[min(p.words, len(args)):]
		}
	}
	return nil
}

// has says whether the command has one of some options: a word such as "--force", or a letter, also among others after one dash.
func (c command) has(options ...string) bool {
	for _, a := range c.args {
		if a.text == "--" {
			return false
		}
		for _, o := range options {
			if a.text == o || strings.HasPrefix(a.text, o+"=") {
				return true
			}
			if len(o) == 2 && o[0] == '-' && len(a.text) > 2 && a.text[0] == '-' && a.text[1] != '-' && strings.IndexByte(a.text[1:], o[1]) >= 0 {
				return true
			}
		}
	}
	return false
}

// operands are the arguments that are no options.
func (c command) operands() []word {
	return slices.DeleteFunc(slices.Clone(c.args), func(w word) bool { return strings.HasPrefix(w.text, "-") })
}

// verb is the first operand, such as the "install" of yum.
func (c command) verb() string {
	if o := c.operands(); len(o) > 0 {
		return o[0].text
	}
	return ""
}
