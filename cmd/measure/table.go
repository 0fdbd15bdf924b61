//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
)

// print prints the report for people, in Markdown.
func (r report) print() {
	const mib = 1 << 20
	fmt.Printf("%s, %.2f MB. %s, %s. Medians of %d runs.\n\n", r.Agent, float64(r.Bytes)/1e6, r.Date, r.Machine, r.Runs)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "| work\t| who\t| wall s\t| CPU s\t| peak MiB\t| wall against floor\t| CPU against floor\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|\n")
	byName := map[string]result{}
	for _, w := range r.Works {
		byName[w.Work] = w
	}
	for _, w := range r.Works {
		for _, who := range []string{"floor", "agent", "peer"} {
			c, ok := w.Cost[who]
			if !ok {
				continue
			}
			measure, found := w.Cost["floor"]
			if w.Against != "" {
				measure, found = byName[w.Against].Cost[who]
			}
			wall, cpu := "", ""
			if found && who != "floor" && measure.Wall > 0 && measure.CPU > 0 {
				wall, cpu = fmt.Sprintf("%.2f", c.Wall/measure.Wall), fmt.Sprintf("%.2f", c.CPU/measure.CPU)
			}
			name := w.Work
			if w.Against != "" {
				name += " (against " + w.Against + ")"
			}
			fmt.Fprintf(t, "| %s\t| %s\t| %.2f\t| %.2f\t| %.1f\t| %s\t| %s\t|\n", name, who, c.Wall, c.CPU, float64(c.Peak)/mib, wall, cpu)
		}
	}
	t.Flush()
	for who, i := range r.Idle {
		fmt.Printf("\nidle over TLS, %s: first poll after %.0f ms (%.0f ms CPU), then %d polls of %.2f ms CPU; resident %.1f MiB, of which %.1f MiB its own; %d process(es)\n",
			who, i.FirstPoll*1e3, i.StartCPU*1e3, i.Polls, i.CPUPerPoll*1e3, float64(i.Resident)/mib, float64(i.Anonymous)/mib, i.Processes)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Printf("\nskipped: %s (%s)\n", name, r.Skipped[name])
	}
}
