package appspec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"codedeploy-agent/appspec/allowance"
)

func TestSizeLimit(t *testing.T) {
	comment := strings.Repeat("#", maxSize-len(head)-1) + "\n"
	parse(t, head+comment)
	if why := parseError(t, head+comment+"#"); !strings.Contains(why, fmt.Sprintf("the file has %d bytes and may have %d", maxSize+1, maxSize)) {
		t.Error(why)
	}
}

// multiplied returns levels of lists or mappings that hold the one before nine times.
func multiplied(first, form string) string {
	var b strings.Builder
	b.WriteString("a0: &a0 " + first + "\n")
	for i := 1; i < 40; i++ {
		all := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", ")
		fmt.Fprintf(&b, "a%d: &a%d "+form+"\n", i, i, all)
	}
	return b.String()
}

// Files that ask for endless work are refused with a reason that fits on a page.
func TestBombs(t *testing.T) {
	lists, merges := multiplied("[x]", "[%s]"), multiplied("{location: x}", "{<<: [%s]}")
	var events strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&events, "  E%d: *l\n", i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases of aliases":    {head + lists + "hooks: {A: *a39}\n", "a script of A is no mapping but a list"},
		"merges of merges":      {head + merges + "hooks: {A: [*a39]}\n", "aliases make the file too large"},
		"merge at the top":      {head + merges + "<<: *a39\n", "aliases make the file too large"},
		"a long list, often":    {head + "list: &l\n" + strings.Repeat("  - location: a\n", 2000) + "hooks:\n" + events.String(), "aliases make the file too large"},
		"a mapping in itself":   {head + "hooks: &h\n  <<: *h\n", "merge keys are nested more than"},
		"... in many":           {head + "hooks: &h\n  <<: [*h, *h, *h]\n", "merge keys are nested more than"},
		"a list in itself":      {head + "hooks: {A: &a [*a]}\n", "is no mapping but a list"},
		"deep lists":            {head + "files: " + strings.Repeat("[", 20_000), "not valid YAML"},
		"deep mappings":         {head + "files: " + strings.Repeat("{a: ", 20_000), "not valid YAML"},
		"deep dashes":           {head + "files:\n  " + strings.Repeat("- ", 20_000), "not valid YAML"},
		"deep keys":             {head + "files:\n  " + strings.Repeat("? ", 20_000), "not valid YAML"},
		"a long number":         {"os: linux\nversion: " + strings.Repeat("9", 100_000) + "\n", "the version is"},
		"a long octal number":   {"os: linux\nversion: 0" + strings.Repeat("7", 100_000) + "\n", "the version is"},
		"categories":            {head + "permissions:\n  - object: a\n    context: {type: t, range: 's0:" + strings.Repeat("c0.c1023,", 5_000) + "'}\n", "twice"},
		"wrong entries":         {head + "hooks:\n  A:\n" + strings.Repeat("    - lokation: a\n", 2_000), "and 1950 more"},
		"anchors":               {head + strings.Repeat("&a ", 20_000), "not valid YAML"},
		"an error at the end":   {head + strings.Repeat("a: b\n", 1_000) + "- x\n", "1003: it is not valid YAML"},
		"an error at the start": {" x\n y: z\n" + strings.Repeat("a: b\n", 1_000), "2: it is not valid YAML"},
	} {
		a, err := Parse("appspec.yml", []byte(c.text))
		if err == nil || a != nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 10_000 {
			t.Errorf("%s: %.500v, want %s", name, err, c.want)
		}
	}
}

// Aliases do not keep the memory for what they stand for from being shared.
func TestAliasesAreCheap(t *testing.T) {
	text := []byte(head + multiplied("[x]", "[%s]"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Parse("appspec.yml", text); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("a file of %d bytes took %d", len(text), used)
	}
}

// A file of the greatest size takes as much as a fuzzed input may, whatever it is full of.
func TestLargestFiles(t *testing.T) {
	if raceDetector {
		t.Skip("it is about time and memory, which the race detector multiplies")
	}
	full := func(s string) string { return strings.Repeat(s, (maxSize-200)/len(s)) }
	for name, text := range map[string]string{
		"a mistake at the end": head + full("k: v\n") + "- x",
		"only mistakes":        head + "files: [" + full("a,") + "]",
		"only keys":            head + full("k: v\n"),
		"only aliases":         head + "y: &a b\nx: [" + full("*a,") + "]",
	} {
		t.Run(name, func(t *testing.T) {
			allowance.Hold(t, func() { _, _ = Parse("appspec.yml", []byte(text)) }) // whatever it says
		})
	}
}
