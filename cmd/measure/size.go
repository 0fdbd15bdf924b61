//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// size builds the agent's program once more, with symbols, and prints how much of it each package is, and whether the linker could leave out
// what is not used: it keeps every exported method of every type as soon as one reachable function looks methods up by names that are not
// constants, as text/template does.
func size(args []string) error {
	flags := flag.NewFlagSet("size", flag.ExitOnError)
	agent := flags.String("agent", "bin/codedeploy-agent", "the stripped binary")
	limit := flags.Int64("limit", 0, "fail if the binary has more bytes; 0: no limit")
	top := flags.Int("top", 40, "how many packages are listed")
	flags.Parse(args)
	info, err := os.Stat(*agent)
	if err != nil {
		return fmt.Errorf("cannot measure: %w; run make build", err)
	}
	dir, err := os.MkdirTemp("", "measure-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	named := filepath.Join(dir, "named")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-dumpdep", "-o", named, "./cmd/codedeploy-agent")
	var dependencies bytes.Buffer
	build.Stderr = &dependencies
	if err := build.Run(); err != nil {
		return fmt.Errorf("cannot build: %w\n%s", err, dependencies.Bytes())
	}
	symbols, err := exec.Command("go", "tool", "nm", "-size", named).Output()
	if err != nil {
		return fmt.Errorf("cannot read the symbols: %w", err)
	}
	bytesOf, total := byPackage(symbols)
	for _, p := range slices.SortedFunc(maps.Keys(bytesOf), func(a, b string) int { return cmp.Compare(bytesOf[b], bytesOf[a]) })[:min(*top, len(bytesOf))] {
		fmt.Printf("%9d  %s\n", bytesOf[p], p)
	}
	fmt.Printf("%9d  all code and data; each function costs some 400 bytes more in tables of the runtime\n%9d  %s\n", total, info.Size(), *agent)
	var problems []error
	for _, f := range reflecting(dependencies.Bytes()) {
		problems = append(problems, fmt.Errorf("%s looks up methods by name: the linker keeps every exported method", f))
	}
	if *limit > 0 && info.Size() > *limit {
		problems = append(problems, fmt.Errorf("%s has %d bytes, %d more than it should have", *agent, info.Size(), info.Size()-*limit))
	}
	return errors.Join(problems...)
}

// byPackage adds up what go tool nm lists. Instances of generic functions count where the function is from; what the linker and the compiler make
// is "type:" and "go:".
func byPackage(symbols []byte) (bytesOf map[string]int64, total int64) {
	bytesOf = map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(symbols)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.Contains("TtRrDd", fields[2]) {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || n > 16<<20 {
			continue // memory that the file has not
		}
		name, _, _ := strings.Cut(fields[3], "[")
		slash := strings.LastIndex(name, "/") + 1
		if before, _, made := strings.Cut(name, ":"); made {
			name = before + ":"
		} else if dot := strings.Index(name[slash:], "."); dot >= 0 {
			name = name[:slash+dot]
		}
		bytesOf[strings.ReplaceAll(name, "%2e", ".")] += n
		total += n
	}
	return bytesOf, total
}

// reflecting finds the functions for which the linker keeps all methods (see -dumpdep of cmd/link).
func reflecting(dependencies []byte) []string {
	found := map[string]bool{}
	for line := range strings.Lines(string(dependencies)) {
		if name, _, ok := strings.Cut(line, " <ReflectMethod>"); ok && !strings.Contains(name, " -> ") {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
