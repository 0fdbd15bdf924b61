package agent

import (
	"context"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/revision"
)

// BundleSources are the places that a deployment specification can name: S3, GitHub and, for local deployments, files.
type BundleSources struct {
	Config *config.Config
	// Identity gives region and credentials; it is asked only for S3.
	Identity  func(context.Context) (*identity.Identity, error)
	Transport http.RoundTripper
	UserAgent string
	Log       *zap.Logger
	WireLog   *zap.Logger // log_aws_wire; nil means none
}

// Source implements Sources.
func (b *BundleSources) Source(spec *command.Specification) (revision.Source, revision.Format, error) {
	r := spec.Revision
	format := revision.Format(r.BundleType)
	switch r.Type {
	case command.RevisionS3:
		id, err := b.Identity(context.Background())
		if err != nil {
			return nil, "", fmt.Errorf("cannot download from S3: %w", err)
		}
		s, err := revision.NewS3(revision.S3Options{
			Region: id.Region, Domain: id.Domain, FIPS: b.Config.UseFIPSMode, EndpointOverride: b.Config.S3EndpointOverride,
			Credentials: id.Credentials, Transport: b.Transport, UserAgent: b.UserAgent, Log: b.Log, WireLog: b.WireLog,
		}, r.Bucket, r.Key, r.Version, r.ETag)
		return s, format, err
	case command.RevisionGitHub:
		if format == "" {
			format = gitHubFormat
		}
		s, err := revision.NewGitHub(revision.GitHubOptions{Transport: b.Transport, Token: r.Token, UserAgent: b.UserAgent, Log: b.Log},
			r.Account, r.Repository, r.CommitID, format)
		if format == revision.Tar {
			format = revision.TGZ // GitHub's tarball is compressed; the official agents' tar finds out by itself
		}
		return s, format, err
	case command.RevisionLocalFile:
		return revision.NewLocalFile(r.Location), format, nil
	}
	return nil, "", fmt.Errorf("cannot download a revision of type %q", r.Type)
}
