package main

import (
	"fmt"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// say prints a line.
func (s *stage) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// heading prints what comes next.
func (s *stage) heading(format string, args ...any) {
	s.say("")
	s.say(format, args...)
	s.say("  %8s  %-9s %-20s %-10s %9s  %s", "at", "instance", "event", "scripts of", "took", "result")
}

// show prints one line of the timeline, when an event has ended.
func (s *stage) show(e rehearsal.Event) {
	if e.Status == rehearsal.Skipped {
		return // the story says that traffic did not move
	}
	revision := e.Revision
	switch {
	case e.Name == "AllowTraffic", e.Name == "BlockTraffic":
		revision = "(balancer)"
	case e.Name == "DownloadBundle", e.Name == "Install":
		revision = "(agent)"
	case revision == "":
		revision = "none yet"
	}
	result := string(e.Status)
	if e.Noop {
		result += ", nothing to do"
	}
	if e.Ignored {
		result += ", ignored"
	}
	s.say("  %7.3fs  %-9s %-20s %-10s %7.0fms  %s", e.Start.Add(e.Duration).Sub(s.start).Seconds(), e.Host, e.Name, revision,
		float64(e.Duration)/float64(time.Millisecond), result)
	if e.Status != rehearsal.Failed {
		return
	}
	s.say("            error code %d: %s", e.ErrorCode, e.Message)
	if e.Script != "" {
		s.say("            script: %s", e.Script)
	}
	for _, line := range e.Log {
		s.say("            | %s", line)
	}
}

// showCounts prints requests served and lost by version.
func (s *stage) showCounts(title string, counts []rehearsal.Count) {
	s.say("%s", title)
	if len(counts) == 0 {
		s.say("  none")
	}
	for _, c := range counts {
		version := "no version"
		if c.Version != "" {
			version = "version " + c.Version
		}
		s.say("  %-10s %6d served %4d lost", version, c.Served, c.Lost)
	}
}
