package main

import (
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
