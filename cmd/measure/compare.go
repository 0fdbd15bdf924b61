//go:build linux

package main

import (
	"fmt"
	"slices"
)

// check is a limit and what was measured. A limit that nothing was measured for is not among the checks.
type check struct {
	Work   string  `json:"work"`
	What   string  `json:"what"`
	Most   float64 `json:"at_most"`
	Is     float64 `json:"is"`
	Missed bool    `json:"missed"`
	unit   string
}

// compared adds the works that are differences of others, in their places, and the ratios.
func compared(measured []result) []result {
	find := func(name string) int {
		return slices.IndexFunc(measured, func(r result) bool { return r.Work == name })
	}
	var all []result
	for _, w := range works {
		if w.from == "" {
			if i := find(w.name); i >= 0 {
				all = append(all, measured[i])
			}
			continue
		}
		from, less := find(w.from), find(w.less)
		if from < 0 || less < 0 {
			continue
		}
		more := measured[from].Units - measured[less].Units
		r := result{Work: w.name, Cost: map[string]cost{}}
		for who, c := range measured[from].Cost {
			l := measured[less].Cost[who]
			r.Cost[who] = cost{Wall: (c.Wall - l.Wall) / more, CPU: (c.CPU - l.CPU) / more}
		}
		all = append(all, r)
	}
	for i := range all {
		all[i].Ratio = map[string]ratio{}
		for who, c := range all[i].Cost {
			measure, found, times := all[i].Cost["floor"], who != "floor" && all[i].Against == "", 1.0
			if against := find(all[i].Against); against >= 0 {
				measure, found = measured[against].Cost[who]
				if all[i].Units > 0 {
					times = measured[against].Units / all[i].Units
				}
			}
			if found && measure.Wall > 0 && measure.CPU > 0 {
				all[i].Ratio[who] = ratio{c.Wall / measure.Wall * times, c.CPU / measure.CPU * times}
			}
		}
	}
	return all
}

// check compares what the agent costs with what it may cost.
func (r report) check() (checks []check) {
	add := func(work, what string, most, is float64, unit string) {
		checks = append(checks, check{work, what, most, is, is > most, unit})
	}
	for _, done := range r.Works {
		w, _ := byName(done.Work)
		for _, l := range w.limits {
			is, of, unit := done.Cost["agent"], done.Ratio["agent"], "x"
			value := 0.0
			switch l.what {
			case wallRatio:
				value = of.Wall
			case cpuRatio:
				value = of.CPU
			case peak:
				value, unit = float64(is.Peak), "MiB"
			case wallSeconds:
				value, unit = is.Wall, "s"
			case overFloor:
				value, unit = is.Wall-done.Cost["floor"].Wall, "ms"
			}
			if value != 0 { // else its measure was not done
				add(done.Work, l.what, l.most, value, unit)
			}
		}
	}
	if i, ok := r.Idle["agent"]; ok {
		add(idleWork, "first poll", 0.010, i.FirstPoll, "ms")
		add(idleWork, "resident", 13*mib, float64(i.Resident), "MiB")
		add(idleWork, "CPU per poll", 0.0007, i.CPUPerPoll, "ms")
		add(idleWork, "processes", 1, float64(i.Processes), "")
	}
	add("binary", "bytes", 13e6, float64(r.Bytes), "MB")
	return checks
}

// idleWork is what checks call idling.
const idleWork = "idle over TLS"

func (r report) missed() (n int) {
	for _, c := range r.Checks {
		if c.Missed {
			n++
		}
	}
	return n
}

// limit is a check's limit for people, and whether it is missed.
func (c check) limit() string {
	text := c.What + " " + c.amount(c.Most)
	if c.Missed {
		text += " MISSED"
	}
	return text
}

// amount is a value of a check in its unit.
func (c check) amount(v float64) string {
	switch c.unit {
	case "MiB":
		return fmt.Sprintf("%.4g MiB", v/mib)
	case "MB":
		return fmt.Sprintf("%.4g MB", v/1e6)
	case "ms":
		return fmt.Sprintf("%.3g ms", v*1e3)
	}
	return fmt.Sprintf("%.3g %s", v, c.unit)
}
