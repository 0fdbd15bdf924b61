package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/install"
	"codedeploy-agent/agent/store"
	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks"
)

// install plans, checks and carries out the files and permissions sections and makes the deployment the group's last
// successful one. An earlier Install of the group that was cut off is taken back first.
func (x *Executor) install(ctx context.Context, spec *command.Specification, d store.Deployment, e Execution) error {
	log := x.log.With(logFields("Install", spec)...)
	began := time.Now()
	if err := install.Recover(ctx, x.installRecord(d.Group), log); err != nil {
		return err
	}
	if err := x.forgetReplaced(d); err != nil {
		log.Warn("cannot remove what an earlier deployment has replaced", zap.Error(err))
	}
	if err := x.store.MakeInstructions(); err != nil {
		return err
	}
	a, name, err := readAppSpec(d.Archive(), spec.AppSpecFilename)
	if err != nil {
		return err
	}
	for _, w := range a.Warnings {
		log.Warn("AppSpec: "+w.Message, zap.String("file", name), zap.Int("line", w.Line), zap.String("hint", w.Hint))
	}
	if err := checkEvents(a, name, spec.AllPossibleLifecycleEvents); err != nil {
		return err
	}
	request, err := x.installRequest(spec, d.Archive(), a, name, log)
	if err != nil {
		return err
	}
	work, stop := x.watch("installing", log)
	defer stop()
	plan, err := install.Build(ctx, request)
	if err != nil {
		return err
	}
	summary := plan.Summary()
	e.note("install planned: %s", summary)
	if err := plan.Apply(ctx, work); err != nil {
		return err
	}
	if err := x.store.SetLastSuccessful(d); err != nil {
		return err
	}
	log.Info("revision installed", zap.String("plan", summary), zap.Duration("took", time.Since(began)))
	return nil
}

// installRequest is what there is to install from the archive, and by which rules.
func (x *Executor) installRequest(spec *command.Specification, archive string, a *appspec.AppSpec, name string, log *zap.Logger) (install.Request, error) {
	behavior, err := appspec.ParseFileExistsBehavior(spec.FileExistsBehavior)
	if err != nil {
		return install.Request{}, fmt.Errorf("cannot use the deployment's option for existing files: %w", err)
	}
	c, group := x.config, spec.GroupID
	return install.Request{
		Archive: archive, AppSpec: a, AppSpecName: name, Behavior: behavior,
		CleanupFile: x.store.CleanupFile(group), InstructionsFile: x.store.InstructionsFile(group),
		RecordFile: x.installRecord(group), ReplacedDir: filepath.Join(x.replacedDir(group), spec.DeploymentID),
		Restricted: x.store.Restricted(),
		Hardening: install.Hardening{
			RejectSymlinkTargets: c.RejectSymlinkPermissionTargets, RejectSetID: c.RejectUnsafePermissionsInBundle,
			RejectUnconfinedSELinux: c.RejectUnconfinedSELinuxInBundle, RejectTraversal: c.RejectPathTraversalInBundle,
			FollowForeignLinks: c.FollowLinksOfOtherUsers,
		},
		Log: log,
	}, nil
}

// installRecord is where an Install of the group that is under way is recorded.
func (x *Executor) installRecord(group string) string {
	return filepath.Join(installRecords(x.config.StateDir), group)
}

func installRecords(stateDir string) string { return filepath.Join(stateDir, "install") }

// replacedDir holds, by deployment, what the group's deployments have replaced without having installed it.
func (x *Executor) replacedDir(group string) string {
	return filepath.Join(x.config.StateDir, "replaced", group)
}

// forgetReplaced removes what earlier deployments of the group than d have replaced: they are over.
func (x *Executor) forgetReplaced(d store.Deployment) error {
	dir := x.replacedDir(d.Group)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != d.ID {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// checkEvents compares the AppSpec's events with those the service says are possible (official agents: only when it says).
func checkEvents(a *appspec.AppSpec, name string, possible []string) error {
	if len(possible) == 0 {
		return nil
	}
	known := append(hooks.Commands(), a.Events()...)
	var unknown, missing []string
	for _, e := range a.Events() {
		if !slices.Contains(possible, e) {
			unknown = append(unknown, e)
		}
	}
	for _, e := range possible {
		if !slices.Contains(known, e) {
			missing = append(missing, e)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%s contains unknown lifecycle events: %s; the possible ones are %s", name, strings.Join(unknown, ", "),
			strings.Join(possible, ", "))
	}
	if len(missing) > 0 {
		return fmt.Errorf("the deployment has lifecycle events of its own that do not exist in %s: %s", name, strings.Join(missing, ", "))
	}
	return nil
}
