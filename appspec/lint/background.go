package lint

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// redirected is the state after redirections, which count in their order.
func redirected(redirs []*syntax.Redirect, s state) state {
	for _, r := range redirs {
		fd := "1"
		if r.N != nil {
			fd = r.N.Value
		}
		target := ""
		if r.Word != nil {
			target = wordsOf([]*syntax.Word{r.Word})[0].text
		}
		switch r.Op {
		case syntax.RdrOut, syntax.AppOut, syntax.RdrClob:
			s.set(fd, s.follow(target, r.Word))
		case syntax.RdrAll, syntax.AppAll:
			open := s.follow(target, r.Word)
			s.out, s.err = open, open
		case syntax.DplOut:
			switch target {
			case "1", "2":
				s.set(fd, s.get(target))
			case "-":
				s.set(fd, false)
			default:
				if r.N == nil && strings.Trim(target, "0123456789") != "" { // ">& file"
					s.out, s.err = false, false
				} else if fd == "1" || fd == "2" { // a descriptor of the script's own making
					s.set(fd, false)
				}
			}
		case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc, syntax.RdrIn, syntax.RdrInOut, syntax.DplIn:
			s.input = s.input || target != "/dev/null"
		}
	}
	return s
}

func (s *state) set(fd string, open bool) {
	switch fd {
	case "1":
		s.out = open
	case "2":
		s.err = open
	}
}

func (s *state) get(fd string) bool {
	if fd == "2" {
		return s.err
	}
	return s.out
}

// follow says whether the output still ends where the script's does when it is redirected to something.
func (s *state) follow(target string, w *syntax.Word) bool {
	switch target {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return s.out
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return s.err
	}
	if w == nil || len(w.Parts) != 1 {
		return false
	}
	p, ok := w.Parts[0].(*syntax.ProcSubst) // exec > >(tee log): what reads it has the script's own output
	if !ok || len(p.Stmts) == 0 {
		return false
	}
	out, err := holds(p.Stmts[len(p.Stmts)-1], *s)
	return out || err
}

// holds says which of the script's outputs a statement's processes have while they run.
func holds(st *syntax.Stmt, s state) (out, err bool) {
	s = redirected(st.Redirs, s)
	switch cmd := st.Cmd.(type) {
	case *syntax.BinaryCmd:
		if cmd.Op != syntax.Pipe && cmd.Op != syntax.PipeAll {
			break
		}
		left := s
		left.out = false
		left.err = left.err && cmd.Op == syntax.Pipe
		_, leftErr := holds(cmd.X, left)
		out, err = holds(cmd.Y, s)
		return out, err || leftErr
	case *syntax.Subshell:
		return group(cmd.Stmts, s)
	case *syntax.Block:
		return group(cmd.Stmts, s)
	}
	return s.out, s.err
}

// group is a subshell: of one command nothing stays but the command itself; of several the shell waits for them, with what exec redirects.
func group(stmts []*syntax.Stmt, s state) (out, err bool) {
	if len(stmts) == 1 {
		return holds(stmts[0], s)
	}
	if len(stmts) > 0 {
		if c, ok := stmts[0].Cmd.(*syntax.CallExpr); ok && len(c.Args) == 1 && c.Args[0].Lit() == "exec" {
			s = redirected(stmts[0].Redirs, s)
		}
	}
	return s.out, s.err
}

// background tells of a background process that keeps the script's output.
func (x *shell) background(st *syntax.Stmt, s state) {
	if x.waits {
		return
	}
	const hint = "redirect both: >/var/log/app.log 2>&1 </dev/null &"
	switch out, err := holds(st, s); {
	case out && err:
		x.tell(st.Pos(), ruleOpenOutput, hint, "a background process keeps the script's output open; the official agents then fail the event when its time is over")
	case out:
		x.tell(st.Pos(), ruleOpenOutput, hint, "a background process keeps the script's standard output open; the official agents then fail the event when its time is over")
	case err:
		x.tell(st.Pos(), ruleOpenOutput, "write 2>&1 after the redirection of the output",
			"a background process keeps the script's error output open; the official agents then fail the event when its time is over")
	}
}
