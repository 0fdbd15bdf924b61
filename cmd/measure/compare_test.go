//go:build linux

package main

import (
	"math"
	"slices"
	"testing"
)

// Every work that another one is compared with is a work that is done before it.
func TestWorksAreComparedWithWorks(t *testing.T) {
	for i, w := range works {
		for _, name := range []string{w.against, w.from, w.less} {
			if name != "" && !slices.ContainsFunc(works[:i], func(before work) bool {
				return before.name == name && (w.units == 0 || before.units > 0)
			}) {
				t.Errorf("%s is compared with %q, which is no work before it, or one without units", w.name, name)
			}
		}
		for _, name := range []string{w.revision, w.before} {
			if _, ok := revisions("/dest")[name]; name != "" && !ok {
				t.Errorf("%s has the revision %q, which there is not", w.name, name)
			}
		}
	}
}

func TestCompared(t *testing.T) {
	r := report{Works: compared([]result{
		{Work: "100 scripts", Units: 100, Cost: map[string]cost{"agent": {Wall: 1, CPU: 1, Peak: 1}, "floor": {Wall: 0.1, CPU: 0.1}}},
		{Work: "1,000 scripts", Against: "100 scripts", Units: 1000, Cost: map[string]cost{"agent": {Wall: 19, CPU: 13, Peak: 65 * mib}, "floor": {Wall: 1, CPU: 1}}},
	})}
	if len(r.Works) != 3 || r.Works[2].Work != "one script" {
		t.Fatalf("works %+v", r.Works)
	}
	r.Checks = r.check()
	got := map[string]check{}
	for _, c := range r.Checks {
		got[c.Work+", "+c.What] = c
	}
	for name, want := range map[string]check{
		"1,000 scripts, CPU":                     {Is: 1.3, Missed: true},
		"1,000 scripts, peak":                    {Is: 65 * mib, Missed: true},
		"one script, wall time beyond the floor": {Is: 0.019, Missed: true},
		"binary, bytes":                          {},
	} {
		if c := got[name]; math.Abs(c.Is-want.Is) > 1e-9 || c.Missed != want.Missed {
			t.Errorf("%s: %+v, want %v", name, c, want)
		}
	}
	if len(got) != 4 || r.missed() != 3 {
		t.Errorf("checks %+v", r.Checks)
	}
	if ratio := r.Works[0].Ratio["agent"]; math.Abs(ratio.Wall-10) > 1e-9 {
		t.Errorf("100 scripts cost %v times the floor, want 10", ratio.Wall)
	}
}
