//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// print prints the report for people, in Markdown.
func (r report) print() {
	fmt.Printf("%s, %.2f MB. %s, %s. Medians of %d runs.\n\n", r.Agent, float64(r.Bytes)/1e6, r.Date, r.Machine, r.Runs)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "| work\t| who\t| wall s\t| CPU s\t| peak MiB\t| wall ratio\t| CPU ratio\t| limit\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|\n")
	for _, w := range r.Works {
		name := w.Work
		if w.Against != "" {
			name += " (against " + w.Against
			if w.Units > 0 {
				name += ", each"
			}
			name += ")"
		}
		for _, who := range []string{"floor", "agent", "peer"} {
			c, ok := w.Cost[who]
			if !ok {
				continue
			}
			wall, cpu, limits := "", "", ""
			if ratio, ok := w.Ratio[who]; ok {
				wall, cpu = fmt.Sprintf("%.2f", ratio.Wall), fmt.Sprintf("%.2f", ratio.CPU)
			}
			if who == "agent" {
				limits = r.limits(w.Work)
			}
			peak := ""
			if c.Peak > 0 {
				peak = fmt.Sprintf("%.1f", float64(c.Peak)/mib)
			}
			fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", name, who, inSeconds(c.Wall), inSeconds(c.CPU), peak, wall, cpu, limits)
		}
	}
	t.Flush()
	for _, who := range slices.Sorted(maps.Keys(r.Idle)) {
		i := r.Idle[who]
		fmt.Printf("\nidle over TLS, %s: first poll after %.0f ms (%.0f ms CPU), then %d polls of %.2f ms CPU; resident %.1f MiB, of which %.1f MiB its own; %d process(es)\n",
			who, i.FirstPoll*1e3, i.StartCPU*1e3, i.Polls, i.CPUPerPoll*1e3, float64(i.Resident)/mib, float64(i.Anonymous)/mib, i.Processes)
	}
	for _, what := range []string{idleWork, "binary"} {
		if limits := r.limits(what); limits != "" {
			fmt.Printf("\nlimits, %s: %s\n", what, limits)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Printf("\nskipped: %s (%s)\n", name, r.Skipped[name])
	}
	fmt.Printf("\n%d limits, %d missed\n", len(r.Checks), r.missed())
	for _, c := range r.Checks {
		if c.Missed {
			fmt.Printf("  %s: %s is %s, limit %s\n", c.Work, c.What, c.amount(c.Is), c.amount(c.Most))
		}
	}
}

// limits are a work's limits, and which of them are missed.
func (r report) limits(work string) string {
	var all []string
	for _, c := range r.Checks {
		if c.Work == work {
			all = append(all, c.limit())
		}
	}
	return strings.Join(all, ", ")
}

// inSeconds writes seconds so that milliseconds can be read where they matter.
func inSeconds(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
