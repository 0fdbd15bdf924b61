package install

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"codedeploy-agent/appspec"
)

const contextToolsHint = "install policycoreutils-python-utils (Amazon Linux, RHEL, Fedora) or policycoreutils and semanage-utils (Debian, Ubuntu), " +
	"or leave out the context"

// toolDirectories are searched for the SELinux tools before PATH, which may leave out the administrator's directories.
var toolDirectories = []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"}

func findTool(name string) (string, error) {
	for _, dir := range toolDirectories {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", name)
	}
	return path, nil
}

// findContextTools says which tool is missing to set SELinux contexts.
func findContextTools() error {
	for _, name := range []string{"semanage", "restorecon"} {
		if _, err := findTool(name); err != nil {
			return err
		}
	}
	return nil
}

// setContext adds the rule for a path, or changes the one there is, and labels the path by it. added is called when a rule was added.
func setContext(ctx context.Context, c *appspec.Context, path string, added func() error) error {
	args := []string{"fcontext", "-a"}
	if c.User != "" {
		args = append(args, "-s", c.User)
	}
	args = append(args, "-t", c.Type)
	if c.Range != "" {
		args = append(args, "-r", c.Range)
	}
	args = append(args, contextPattern(path))
	if err := runTool(ctx, "semanage", args...); err != nil {
		args[1] = "-m"
		if runTool(ctx, "semanage", args...) != nil {
			return err
		}
	} else if err := added(); err != nil {
		return err
	}
	return runTool(ctx, "restorecon", "-vF", path)
}

// removeContext removes the rule for a path.
func removeContext(ctx context.Context, path string) error {
	return runTool(ctx, "semanage", "fcontext", "-d", contextPattern(path))
}

// contextPattern is the path as semanage wants it, a regular expression. A dot is left alone: it matches itself, and rules that an official
// agent added have it so.
func contextPattern(path string) string {
	var b strings.Builder
	for _, r := range []byte(path) {
		if strings.IndexByte(`\+*?()[]{}|^$`, r) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(r)
	}
	return b.String()
}

func runTool(ctx context.Context, name string, args ...string) error {
	path, err := findTool(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // rebuilding the policy takes many seconds on a small host
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		text := strings.TrimSpace(string(out))
		if len(text) > 500 {
			text = text[:500]
		}
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, show(text))
	}
	return nil
}
