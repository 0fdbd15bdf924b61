package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/progress"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/agent/store"
)

// download fetches the revision's bundle and unpacks it, makes it the group's most recent one, and only then removes old
// revisions. What fails leaves nothing that could be taken for a revision: an empty bundle, or the bundle and an empty archive. When
// ctx ends, the next agent continues with what has come so far.
func (x *Executor) download(ctx context.Context, spec *command.Specification, d store.Deployment, e Execution) (note string, err error) {
	log := x.log.With(logFields("DownloadBundle", spec)...)
	began := time.Now()
	how, err := x.fetch(ctx, spec, d, log, e)
	if err != nil {
		return "", disk.Explain(err, d.Dir, 0)
	}
	e.note("revision unpacked")
	if err := x.setMostRecent(d); err != nil {
		err = disk.Explain(err, x.store.Root(), 0)
		return "", errors.Join(err, discardBundle(d), os.RemoveAll(d.Archive())) // its presence would change whose hooks run
	}
	log.Info("revision unpacked", zap.String("archive", d.Archive()), zap.String("source", how), zap.Duration("took", time.Since(began)))
	removed, err := x.store.Prune(d, x.config.MaxRevisions)
	for _, dir := range removed {
		log.Info("old revision removed", zap.String("dir", dir))
	}
	if err != nil {
		log.Warn("old revisions remain", zap.Error(err)) // the new one is complete; this deployment must not fail for it
	}
	if spec.ReuseArchiveFrom != "" {
		return "BundleSource=" + how, nil // a RESTART deployment is told where its revision came from (official agent 2.1)
	}
	return "", nil
}

func (x *Executor) setMostRecent(d store.Deployment) error {
	if err := x.store.MakeInstructions(); err != nil {
		return err
	}
	return x.store.SetMostRecent(d)
}

// fetch brings the unpacked revision to the deployment's archive: "downloaded" or "archive-reuse".
func (x *Executor) fetch(ctx context.Context, spec *command.Specification, d store.Deployment, log *zap.Logger, e Execution) (how string, err error) {
	if spec.ReuseArchiveFrom != "" && x.config.EnableArchiveReuse {
		err := x.reuse(ctx, spec, d)
		if err == nil {
			return "archive-reuse", nil
		}
		log.Warn("cannot reuse the revision that is here, downloading it", zap.String("from", spec.ReuseArchiveFrom), zap.Error(err))
	}
	if spec.Revision.Type == command.RevisionLocalDirectory {
		work, stop := x.watch("copying", log)
		err := revision.CopyDirectory(ctx, spec.Revision.Location, d.Archive(), x.unpackOptions(work))
		stop()
		if err != nil && !disk.Trouble(err) {
			err = errors.Join(err, d.MarkArchive())
		}
		return "downloaded", err
	}
	source, format, err := x.sources.Source(spec)
	if err != nil {
		return "", err
	}
	log.Info("downloading", zap.Stringer("from", source))
	e.note("download begun: %s", source)
	work, stop := x.watch("downloading", log)
	fetched, err := revision.Download(ctx, source, d.Bundle(), x.store.FileMode(), work)
	stop()
	if err != nil {
		if ctx.Err() == nil && !disk.Trouble(err) { // else the next agent goes on with what has come, or nothing is to be left
			err = errors.Join(err, d.MarkBundle())
		}
		return "", err
	}
	e.note("bundle downloaded: %d bytes", fetched.Bytes)
	log.Info("bundle downloaded", zap.Int64("bytes", fetched.Bytes), zap.String("etag", fetched.ETag))
	work, stop = x.watch("unpacking", log)
	err = revision.Unpack(ctx, format, d.Bundle(), d.Archive(), x.unpackOptions(work))
	stop()
	if err != nil {
		return "", notUnpacked(ctx, d, err)
	}
	return "downloaded", nil
}

// notUnpacked leaves what is to be left of a bundle that could not be unpacked: the bundle, to look at, and the mark of the archive; nothing
// where the disk is full or broken. A later attempt fetches the bundle anew.
func notUnpacked(ctx context.Context, d store.Deployment, err error) error {
	if ctx.Err() != nil {
		return err // the next agent goes on with the bundle
	}
	if disk.Trouble(err) {
		return errors.Join(err, discardBundle(d))
	}
	return errors.Join(err, revision.Discard(d.Bundle()), d.MarkArchive())
}

// discardBundle removes a bundle that nothing will come of, or the part of it that has come.
func discardBundle(d store.Deployment) error {
	err := os.Remove(d.Bundle())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, revision.Discard(d.Bundle()))
}

// reuse takes the revision over from an earlier deployment of the group (RESTART deployments, official agent 2.1).
func (x *Executor) reuse(ctx context.Context, spec *command.Specification, d store.Deployment) error {
	if spec.ReuseArchiveFrom == spec.DeploymentID {
		return errors.New("the deployment is to reuse its own revision")
	}
	from := x.store.Deployment(spec.GroupID, spec.ReuseArchiveFrom)
	if _, _, err := readAppSpec(from.Archive(), spec.AppSpecFilename); err != nil {
		return err
	}
	work, stop := x.watch("copying", x.log.With(logFields("DownloadBundle", spec)...))
	err := revision.CopyArchive(ctx, from.Archive(), d.Archive(), x.unpackOptions(work))
	stop()
	if err != nil {
		return err
	}
	if err := os.Link(from.Bundle(), d.Bundle()); err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("cannot keep the bundle: %w", err), os.RemoveAll(d.Archive()))
	}
	if etag := from.ETag(); spec.Revision.ETag == "" && etag != "" {
		if err := d.SetETag(etag); err != nil {
			x.log.Warn("hooks are not told the bundle's ETag", zap.Error(err))
		}
	}
	return nil
}

func (x *Executor) unpackOptions(work *progress.Work) revision.UnpackOptions {
	c := x.config
	return revision.UnpackOptions{
		MaxBytes: c.ArchiveMaxExtractionSize, MaxEntries: int64(c.ArchiveMaxEntries), MaxRatio: int64(c.ArchiveMaxRatio),
		MaxDepth: c.ArchiveMaxDepth, RejectSymlinks: c.RejectSymlinksInBundle,
		RejectTraversal: c.RejectPathTraversalInBundle, RejectSetID: c.RejectUnsafePermissionsInBundle,
		IgnoreOwnership: c.IgnoreOwnershipInBundle, Mode: x.store.DirMode(), Log: x.log, Work: work,
	}
}
