package main

import (
	"os/exec"
	"strings"
	"testing"

	"codedeploy-agent/agent/rehearsal"
)

// become makes the host another instance with the disk of the one that it was.
func (h *host) become(instance string) {
	h.t.Helper()
	metadata, err := rehearsal.NewMetadata(rehearsal.MetadataOptions{InstanceID: instance})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { metadata.Close() })
	h.metadata = metadata
	h.env = append(h.env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata.URL())
}

// An instance that was made from another one's image runs none of its scripts and reports none of its results.
func TestAnotherInstanceStartsClean(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		h := newHost(t, "keep_state_of_image: "+map[bool]string{false: "false", true: "true"}[keep])
		h.start()
		h.deploy(h.revision("built", nil), rehearsal.Succeeded)
		h.stop()
		h.become("i-00000000000000002")
		h.write("notes", "")
		h.start()
		out := h.deploy(h.revision("first", nil), rehearsal.Succeeded, func(s *rehearsal.SpecOptions) { s.FileExistsBehavior = "OVERWRITE" })
		if got := strings.Contains(h.read(h.notes), "ApplicationStop built"); got != keep {
			t.Errorf("keep_state_of_image: %v: ApplicationStop of the image has run: %v\n%s", keep, got, describe(out))
		}
		if told := strings.Contains(h.log(), "the state was recorded on another host"); !told {
			t.Error("the log says nothing of it")
		}
	}
}

func TestImageCommands(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.write("none.yml", "region: us-east-1\niam_session_arn: arn:aws:sts::123456789012:assumed-role/x/y\naws_credentials_file: "+h.path("credentials")+"\n")
	h.write("credentials", "[default]\n")
	h.chmod("none.yml", 0o600)
	h.chmod("credentials", 0o600)
	image := func(want int, args ...string) string {
		t.Helper()
		c := exec.Command(binary, append(append([]string{"image"}, args...), "--config-file", h.config)...)
		out, _ := c.CombinedOutput()
		if got := c.ProcessState.ExitCode(); got != want {
			t.Errorf("image %v: exit code %d, want %d\n%s", args, got, want, out)
		}
		return string(out)
	}
	if out := image(0, "scrub", "--dry-run"); !strings.Contains(out, "would remove "+h.path("credentials")) || h.read(h.path("none.yml")) == "" {
		t.Errorf("scrub --dry-run:\n%s", out)
	}
	if out := image(1, "prepare"); !strings.Contains(out, "codedeploy-agent image scrub") {
		t.Errorf("prepare:\n%s", out)
	}
	out := image(0, "scrub")
	if !strings.Contains(out, "removed "+h.path("none.yml")) || h.read(h.path("none.yml")) != "" || h.read(h.path("credentials")) != "" {
		t.Errorf("scrub:\n%s", out)
	}
}
