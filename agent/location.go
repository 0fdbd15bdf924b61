package agent

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/agent/secrets"
)

// localRevision says where a local deployment's bundle comes from.
func localRevision(location, kind, token string) (command.Revision, error) {
	var none command.Revision
	switch revision.Format(kind) {
	case revision.Tar, revision.TGZ, revision.Zip, revision.Directory:
	default:
		return none, fmt.Errorf("cannot use --type %q: it must be directory, tar, tgz or zip", kind)
	}
	scheme, rest, isURL := strings.Cut(location, "://")
	host, _, _ := strings.Cut(rest, "/")
	switch {
	case isURL && strings.Contains(host, "@"):
		return none, fmt.Errorf("cannot fetch a bundle from %s: an address must not have a user, password or token; give a GitHub token in CODEDEPLOY_GITHUB_TOKEN",
			secrets.Redact(location))
	case !isURL:
		return pathRevision(location, kind)
	case scheme == "s3":
		return s3Revision(rest, kind)
	case scheme == "https":
		return gitHubRevision(location, kind, token)
	}
	return none, fmt.Errorf("cannot fetch a bundle from %s: only s3:// and https:// addresses and paths are supported", location)
}

func pathRevision(location, kind string) (command.Revision, error) {
	path, err := filepath.Abs(location)
	if err != nil {
		return command.Revision{}, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return command.Revision{}, fmt.Errorf("cannot find the bundle: %s does not exist", path)
	case err != nil:
		return command.Revision{}, fmt.Errorf("cannot read the bundle: %w", err)
	case kind == string(revision.Directory) && !info.IsDir():
		return command.Revision{}, fmt.Errorf("cannot use %s as a directory: it is a file; give its --type (tar, tgz or zip)", path)
	case kind != string(revision.Directory) && !info.Mode().IsRegular():
		return command.Revision{}, fmt.Errorf("cannot use %s as a %s archive: it is not a file", path, kind)
	case kind == string(revision.Directory):
		return command.Revision{Type: command.RevisionLocalDirectory, Location: path, BundleType: kind}, nil
	}
	return command.Revision{Type: command.RevisionLocalFile, Location: path, BundleType: kind}, nil
}

// s3Revision understands bucket/key?versionId=…&etag=… as the official codedeploy-local 1.8 does.
func s3Revision(rest, kind string) (command.Revision, error) {
	rest, query, _ := strings.Cut(rest, "?")
	bucket, key, _ := strings.Cut(rest, "/")
	q, err := url.ParseQuery(query)
	if err != nil || bucket == "" || key == "" {
		return command.Revision{}, fmt.Errorf("cannot use s3://%s: expected s3://bucket/key, with ?versionId=…&etag=… if wanted", rest)
	}
	if kind == string(revision.Directory) {
		return command.Revision{}, fmt.Errorf("cannot fetch a directory from S3: give the archive's --type (tar, tgz or zip)")
	}
	return command.Revision{Type: command.RevisionS3, Bucket: bucket, Key: key, Version: q.Get("versionId"), ETag: q.Get("etag"), BundleType: kind}, nil
}

// gitHubRevision understands a repository's address, of a branch or commit too, and the addresses of GitHub's archives.
func gitHubRevision(location, kind, token string) (command.Revision, error) {
	bad := fmt.Errorf("cannot use %s: expected https://github.com/account/repository, also with /tree/branch or /commit/id, or "+
		"https://api.github.com/repos/account/repository/zipball|tarball/ref", location)
	u, err := url.Parse(location)
	if err != nil {
		return command.Revision{}, bad
	}
	p := strings.Split(strings.Trim(u.Path, "/"), "/")
	r := command.Revision{Type: command.RevisionGitHub, CommitID: "HEAD", Token: token, Anonymous: token == "", BundleType: string(revision.Zip)}
	if kind == string(revision.Tar) {
		r.BundleType = kind
	}
	switch {
	case u.Host == "github.com" && len(p) == 2:
		r.Account, r.Repository = p[0], p[1]
	case u.Host == "github.com" && len(p) >= 4 && (p[2] == "tree" || p[2] == "commit"):
		r.Account, r.Repository, r.CommitID = p[0], p[1], strings.Join(p[3:], "/")
	case u.Host == "api.github.com" && len(p) >= 5 && p[0] == "repos" && (p[3] == "zipball" || p[3] == "tarball"):
		r.Account, r.Repository, r.CommitID = p[1], p[2], strings.Join(p[4:], "/")
	default:
		return command.Revision{}, bad
	}
	r.Repository = strings.TrimSuffix(r.Repository, ".git")
	return r, nil
}
