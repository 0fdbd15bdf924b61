// Package install carries out the files and permissions sections of an AppSpec: it plans, checks everything, applies, and puts
// everything back when applying fails.
//
// The official agents remove the previous revision and then look whether the new one can be installed. Here Build looks at the host
// as if the previous revision had been removed, and nothing is touched unless the whole plan can be carried out. What a successful
// Install leaves behind is the same: files, modes, owners, times, links, the clean-up list and the instructions file.
package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"codedeploy-agent/appspec"
)

// Request says what to install and by which rules. Archive, AppSpec, CleanupFile and InstructionsFile must be set.
type Request struct {
	// Archive is the absolute path of the unpacked revision.
	Archive string
	// Contents is the revision if it has not been unpacked at Archive yet. The plan then only tells what an Install would do; it cannot be
	// applied.
	Contents Contents
	// Beside is what else will be on the disk before the Install begins, such as the unpacked revision that Contents stands for.
	Beside  []Demand
	AppSpec *appspec.AppSpec
	// AppSpecName is the AppSpec's file name, for messages.
	AppSpecName string
	// Behavior is the deployment's choice for files that exist; the AppSpec's own wins. Empty means Disallow.
	Behavior appspec.FileExistsBehavior
	// CleanupFile lists what the previous Install of the deployment group made and is replaced by the list of this one.
	CleanupFile string
	// InstructionsFile receives the plan in the official agent's form; nothing reads it back.
	InstructionsFile string
	// RecordFile is kept while the Install is under way, for Recover; it is made with its directory. Empty means that an Install that is
	// cut off leaves things as they are then, for the clean-up list of the next one.
	RecordFile string
	// ReplacedDir receives, if anything is replaced that no deployment of the group has put there, what it was, with an index. Empty means
	// that it is removed at once, as by the official agents.
	ReplacedDir string
	// Restricted gives the state files the mode 0600 instead of 0644.
	Restricted bool
	Hardening  Hardening
	// Log receives warnings; nil means none are wanted.
	Log *zap.Logger
}

// Hardening are switches of the official agent 2.x, with its meaning. The zero value refuses only what no honest deployment does.
type Hardening struct {
	// RejectSymlinkTargets refuses permissions whose target is a symbolic link (reject_symlink_permission_targets).
	RejectSymlinkTargets bool
	// RejectSetID refuses set-user-id and set-group-id modes (reject_unsafe_permissions_in_bundle).
	RejectSetID bool
	// RejectUnconfinedSELinux refuses the types unconfined_t, kernel_t and init_t (reject_unconfined_selinux_in_bundle).
	RejectUnconfinedSELinux bool
	// RejectTraversal refuses destinations with more ".." than directories before it (reject_path_traversal_in_bundle). A source
	// that leaves the archive is always refused.
	RejectTraversal bool
	// FollowForeignLinks follows links of the host that another user may change wherever they lead (follow_links_of_other_users, which the
	// official agents do).
	FollowForeignLinks bool
}

// options are the seams of a plan; the zero value is the real thing.
type options struct {
	// fault is asked before each change; an error makes the change fail.
	fault func(step, path string) error
	// skipSync leaves out the calls that make everything durable, which take long on a busy machine.
	skipSync bool
	// maxExpanded takes the place of maxExpanded.
	maxExpanded int
	// copyOnly does without the file system's exchange of two names, as old file systems do.
	copyOnly bool
}

// Build reads the archive and the host and returns the plan. It changes nothing. If the plan could not be carried out the error is
// an *Error that lists every reason; other errors mean that something could not be read or that ctx was cancelled.
func Build(ctx context.Context, r Request) (*Plan, error) { return build(ctx, r, options{}) }

func build(ctx context.Context, r Request, o options) (*Plan, error) {
	if r.Log == nil {
		r.Log = zap.NewNop()
	}
	if r.AppSpec == nil {
		return nil, errors.New("cannot plan an install without an AppSpec")
	}
	if r.AppSpecName == "" {
		r.AppSpecName = appspec.DefaultName
	}
	root, from, err := r.revision()
	if err != nil {
		return nil, err
	}
	left, err := readRemains(r.CleanupFile, r.InstructionsFile)
	if err != nil {
		return nil, err
	}
	b := newBuilder(ctx, r, o, root, left)
	b.plan.reader = from
	if err := b.run(); err != nil {
		return nil, err
	}
	for _, w := range b.plan.warnings {
		r.Log.Warn(w.Message, zap.String("path", w.Path), zap.Int("line", w.Line), zap.String("hint", w.Hint))
	}
	if len(b.problems) > 0 {
		return nil, &Error{AppSpec: r.AppSpecName, Problems: b.problems, Space: b.plan.space}
	}
	return b.plan, nil
}

// revision is where and how to read the revision.
func (r *Request) revision() (root string, from reader, err error) {
	if r.Contents != nil {
		root = filepath.Clean(r.Archive)
		return root, packed{root, r.Contents}, nil
	}
	if root, err = filepath.EvalSymlinks(r.Archive); err != nil {
		return "", nil, fmt.Errorf("cannot find the unpacked revision: %w", err)
	}
	if fi, err := os.Stat(root); err != nil || !fi.IsDir() {
		return "", nil, fmt.Errorf("cannot use %s as the unpacked revision: it is not a directory", r.Archive)
	}
	return root, unpacked{}, nil
}
