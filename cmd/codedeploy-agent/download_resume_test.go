package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// noise is content that does not compress.
func noise(n int) string {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return string(data)
}

// An agent is killed when half of a bundle has come. The next one fetches the other half and goes on with the deployment.
func TestKillDuringDownload(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	spec := h.spec(h.revision("two", nil, file{"content/big", noise(8 << 20), 0o644}))
	key := spec.Revision.S3.Key
	h.service.Inject(rehearsal.Fault{Operation: "GetObject", Key: key, Kind: rehearsal.Stalled})
	c := h.send("DownloadBundle", spec)

	var part struct {
		Size   int64
		Ranges [][2]int64
	}
	half := func() bool {
		data, err := os.ReadFile(h.path("root/" + group + "/" + spec.DeploymentID + "/.bundle.tar.part.json"))
		return err == nil && json.Unmarshal(data, &part) == nil && len(part.Ranges) == 1 && part.Ranges[0][1] == part.Size/2
	}
	for end := time.Now().Add(30 * time.Second); !half(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("half of the bundle has not been noted: %+v", part)
		}
	}
	h.kill()
	before := len(h.service.Requests("GetObject"))
	h.start()
	r, err := c.Wait(h.context())
	if err != nil || !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v, %v; want success", r, err)
	}
	requests := h.service.Requests("GetObject")[before:]
	if len(requests) != 1 || requests[0].Range != fmt.Sprintf("bytes=%d-%d", part.Size/2, part.Size-1) || strings.Trim(requests[0].IfMatch, `"`) != spec.Revision.S3.ETag {
		t.Errorf("requests after the kill: %+v, want one for the other half of %d bytes", requests, part.Size)
	}
	for _, event := range []string{"BeforeInstall", "Install", "AfterInstall"} {
		if r := h.command(event, spec); !r.Succeeded() {
			t.Fatalf("%s: %+v", event, r)
		}
	}
	if got := h.read(h.dest + "/big"); got != noise(8<<20) {
		t.Errorf("the big file has %d bytes and is not the one of the bundle", len(got))
	}
	if entries, err := os.ReadDir(h.path("root/" + group + "/" + spec.DeploymentID)); err != nil || strings.Contains(entries[0].Name(), ".part") {
		t.Errorf("left beside the bundle: %v, %v", entries, err)
	}
}
