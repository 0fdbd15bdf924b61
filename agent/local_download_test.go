package agent

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/rehearsal"
)

// files lists the files below a directory.
func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, filepath.Base(path))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A revision that cannot be made the most recent one leaves neither bundle nor archive, which would change whose hooks run.
func TestDownloadThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	var bundle bytes.Buffer
	w := tar.NewWriter(&bundle)
	spec := "version: 0.0\nos: linux\n"
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "appspec.yml", Mode: 0o644, Size: int64(len(spec))}), write(w, spec), w.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bundle.tar")
	if err := os.WriteFile(path, bundle.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []bool{false, true} {
		c := config.Default()
		c.RootDir, c.StateDir = filepath.Join(t.TempDir(), "root"), t.TempDir()
		if broken {
			if err := os.MkdirAll(filepath.Join(c.RootDir, "deployment-instructions", "local_most_recent_install"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		l := &LocalDeployment{Location: path, Type: "tar", Events: []string{"AfterInstall"}, FileExists: "DISALLOW", GroupID: "local", GroupName: "local", Config: c,
			Sources: &BundleSources{Config: c, Log: zap.NewNop()}, Log: zap.NewNop(), Out: io.Discard, Console: io.Discard}
		err := l.Run(context.Background())
		left := files(t, filepath.Join(c.RootDir, "local"))
		if broken && (err == nil || len(left) > 0) || !broken && (err != nil || len(left) == 0) {
			t.Errorf("broken %v: Run = %v, it leaves %v", broken, err, left)
		}
	}
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// A local deployment that is interrupted in the middle of its download leaves nothing: no later one has its id.
func TestInterruptedLocalDownload(t *testing.T) {
	t.Parallel()
	service, err := rehearsal.NewService(rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	data := make([]byte, 1<<20)
	rand.Read(data)
	if _, err := service.Put("releases", "app.tgz", rehearsal.Object{Data: data}); err != nil {
		t.Fatal(err)
	}
	service.Inject(rehearsal.Fault{Operation: "GetObject", Key: "app.tgz", Kind: rehearsal.Stalled})
	c := config.Default()
	c.RootDir, c.StateDir, c.S3EndpointOverride = filepath.Join(t.TempDir(), "root"), t.TempDir(), service.URL()
	l := &LocalDeployment{
		Location: "s3://releases/app.tgz", Type: "tgz", FileExists: "DISALLOW", GroupID: "local", GroupName: "local", Config: c,
		Sources: &BundleSources{Config: c, Log: zap.NewNop(), Identity: func(context.Context) (*identity.Identity, error) {
			return &identity.Identity{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("A", "S", "")}, nil
		}},
		Log: zap.NewNop(), Out: io.Discard, Console: io.Discard,
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	described := func() bool {
		for _, name := range files(t, c.RootDir) {
			if strings.HasSuffix(name, ".json") {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(30 * time.Second); !described(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the download has not been described: %v", files(t, c.RootDir))
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context canceled", err)
	}
	if rest := files(t, c.RootDir); len(rest) > 0 {
		t.Errorf("%v is left", rest)
	}
	if _, err := os.Stat(c.RootDir); err != nil {
		t.Error(err)
	}
}
