//go:build unix

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// BenchmarkTenEventDeployment measures a deployment of ten events, eight of them with a trivial script, with the default settings: from the
// moment the service has the first command to the last completion. The agent has just had another deployment, as always but once.
func BenchmarkTenEventDeployment(b *testing.B) {
	h := newHost(b)
	h.start()
	deploy := func(label string) {
		spec := h.spec(h.revision(label, nil))
		for _, event := range []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall",
			"ApplicationStart", "ValidateService", "BeforeAllowTraffic"} {
			if r := h.command(event, spec); r.ErrorCode != 0 {
				b.Fatalf("%s: %+v", event, r)
			}
		}
	}
	deploy("warm up")
	var slowest time.Duration
	for b.Loop() {
		began := time.Now()
		deploy("measured")
		slowest = max(slowest, time.Since(began))
	}
	b.ReportMetric(float64(slowest.Milliseconds()), "ms/slowest")
}

// manyFiles is a bundle of n files of 1 to 4 KiB, 50 in a directory, that says its label.
func manyFiles(h *host, label string, n int) []file {
	files := []file{{"appspec.yml", "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: " + h.dest + "\npermissions:\n  - object: " + h.dest +
		"\n    mode: 640\n    type: [file]\nhooks:\n  AfterInstall:\n    - location: hook.sh\n", 0o644}, {"hook.sh", "#!/bin/sh\n", 0o755}}
	for i := range n {
		var content strings.Builder
		for line := range 30 + i%90 {
			fmt.Fprintf(&content, "%s line %d of file %d\n", label, line, i)
		}
		files = append(files, file{fmt.Sprintf("app/module%03d/file%02d.txt", i/50, i%50), content.String(), 0o640})
	}
	return files
}

// bundles writes the bundle in each form and returns the paths.
func (h *host) bundles(name string, files []file) map[string]string {
	paths := map[string]string{"directory": h.layOut(name, files)}
	for _, format := range []string{"tar", "tgz", "zip"} {
		h.write(name+"."+format, string(packAs(h.t, format, files)))
		paths[format] = h.path(name + "." + format)
	}
	return paths
}

// benchmarkCommand measures a command of the agent; cpu-ms/op is what it takes of the processor, whatever else the machine does.
func benchmarkCommand(b *testing.B, h *host, args ...string) {
	var cpu time.Duration
	for b.Loop() {
		cmd := exec.Command(h.program, args...)
		cmd.Env, cmd.Dir = h.env, h.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%.2000s", args, err, out)
		}
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
}

// BenchmarkPlan plans a bundle of 10,000 files: for an empty destination, for one where the same tar is installed, so that all files of a tar
// are unchanged and all of a directory are replaced by the same, and for one where each file is another one.
func BenchmarkPlan(b *testing.B) {
	h := newHost(b)
	same, other := h.bundles("same", manyFiles(h, "one", 10_000)), h.bundles("other", manyFiles(h, "another", 10_000))
	for _, state := range []string{"empty", "installed", "replaced"} {
		bundles := same
		switch state {
		case "installed":
			if r := newCommand(h, "deploy-local", "-c", h.config, "-g", group, "-l", same["tar"], "-t", "tar"); r.code != 0 {
				b.Fatalf("deploy-local: %+v", r)
			}
		case "replaced":
			bundles = other
		}
		for _, form := range []string{"directory", "tar", "tgz", "zip"} {
			b.Run(state+"/"+form, func(b *testing.B) {
				benchmarkCommand(b, h, "plan", "-c", h.config, "-g", group, "--json", bundles[form])
			})
		}
	}
}

// BenchmarkValidate validates a bundle of 10,000 files.
func BenchmarkValidate(b *testing.B) {
	h := newHost(b)
	bundles := h.bundles("bundle", manyFiles(h, "one", 10_000))
	for _, form := range []string{"directory", "tar", "tgz", "zip"} {
		b.Run(form, func(b *testing.B) { benchmarkCommand(b, h, "validate", bundles[form]) })
	}
}
