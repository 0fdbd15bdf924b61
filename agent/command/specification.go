package command

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// maxSpecification bounds a deployment specification in bytes.
const maxSpecification = 1 << 20

// Specification is what the service says about a deployment: a checked deployment specification (official agents 1.8
// and 2.x).
type Specification struct {
	// DeploymentID is the short id, for example d-ABCDEF123, also where the service sent an ARN. It and GroupID are safe
	// as the name of one file.
	DeploymentID, GroupID      string
	GroupName, ApplicationName string
	Creator                    string // who made the deployment; "user" when the service did not say
	Type                       string // IN_PLACE or BLUE_GREEN; "IN_PLACE" when the service did not say
	// AppSpecFilename is a clean relative path below the revision's root; "appspec.yml" when the service did not say.
	AppSpecFilename string
	// FileExistsBehavior is in upper case, "DISALLOW" when the service did not say. Its value is not checked: the AppSpec
	// may override it.
	FileExistsBehavior string
	// AllPossibleLifecycleEvents is nil when the service did not say.
	AllPossibleLifecycleEvents []string
	// ReuseArchiveFrom is the short id of the deployment whose archive may be used again, empty when there is none.
	ReuseArchiveFrom string
	Revision         Revision
}

// The values of Revision.Type.
const (
	RevisionS3             = "S3"
	RevisionGitHub         = "GitHub"
	RevisionLocalFile      = "Local File"
	RevisionLocalDirectory = "Local Directory"
)

// Revision says where the revision is. Which fields are set depends on Type.
type Revision struct {
	Type string

	// S3. Version and ETag are empty when the deployment names none.
	Bucket, Key, Version, ETag string

	// BundleType is tar, tgz or zip, for a local directory "directory"; it may be empty for GitHub.
	BundleType string

	// GitHub. Token is the access token, empty for a public repository, which is then Anonymous. It is left out of JSON
	// and of what fmt prints.
	Account, Repository, CommitID string
	Token                         string `json:"-"`
	Anonymous                     bool

	// Location is the path of a local file or directory.
	Location string
}

// String names the revision for people.
func (r Revision) String() string {
	switch r.Type {
	case RevisionS3:
		s := "s3://" + r.Bucket + "/" + r.Key
		if r.Version != "" {
			s += " version " + r.Version
		}
		return s
	case RevisionGitHub:
		return "github.com/" + r.Account + "/" + r.Repository + " commit " + r.CommitID
	}
	return r.Location
}

// GoString keeps the token out of %#v.
func (r Revision) GoString() string {
	return fmt.Sprintf("command.Revision{%s %q}", r.Type, r.String())
}

// ParseSpecification checks the content of an envelope from the service and reports all that is wrong with it as a
// *SpecificationError. Fields it does not know are ignored.
//
// Revisions of the local types are refused: the official agents accept them from whoever sends them, but only the
// command for local deployments has a reason to, and the service must not make the agent deploy files of the host.
func ParseSpecification(content []byte) (*Specification, error) {
	return parseSpecification(content, RevisionS3, RevisionGitHub)
}

// ParseLocalSpecification is ParseSpecification for a deployment that somebody on this host started.
func ParseLocalSpecification(content []byte) (*Specification, error) {
	return parseSpecification(content, RevisionS3, RevisionGitHub, RevisionLocalFile, RevisionLocalDirectory)
}

func parseSpecification(content []byte, revisionTypes ...string) (*Specification, error) {
	if len(content) > maxSpecification {
		return nil, &SpecificationError{[]string{fmt.Sprintf("it has %d bytes, more than the %d allowed", len(content), maxSpecification)}}
	}
	d, err := parseDocument(content)
	if err != nil {
		return nil, err
	}
	s := &Specification{
		DeploymentID:               d.deploymentID("DeploymentId", d.required("DeploymentId")),
		GroupID:                    d.fileName("DeploymentGroupId", d.required("DeploymentGroupId")),
		GroupName:                  d.required("DeploymentGroupName"),
		ApplicationName:            d.required("ApplicationName"),
		Creator:                    d.text("DeploymentCreator", "user"),
		Type:                       d.text("DeploymentType", "IN_PLACE"),
		AppSpecFilename:            d.appSpecFilename(),
		AllPossibleLifecycleEvents: d.texts("AllPossibleLifecycleEvents"),
		ReuseArchiveFrom:           d.deploymentID("ReuseArchiveFromDeploymentId", d.text("ReuseArchiveFromDeploymentId", "")),
	}
	if slices.Contains(ownDirectories, strings.ToLower(s.GroupID)) {
		d.problem("DeploymentGroupId %q is the name of a directory of the agent", s.GroupID)
	}
	overrides := d.object("AgentActionOverrides").object("AgentOverrides")
	s.FileExistsBehavior = strings.ToUpper(overrides.text("FileExistsBehavior", "DISALLOW"))
	s.Revision = d.revision(revisionTypes)
	if len(*d.problems) > 0 {
		return nil, &SpecificationError{*d.problems}
	}
	return s, nil
}

// ownDirectories are what the agent keeps beside the directories of the deployment groups.
var ownDirectories = []string{"deployment-instructions", "deployment-logs", "ongoing-deployment"}

func (d document) revision(types []string) Revision {
	if !d.has("Revision") {
		d.problem("Revision is missing")
		return Revision{}
	}
	before := len(*d.problems)
	outer := d.object("Revision")
	if len(*d.problems) > before {
		return Revision{}
	}
	r := Revision{Type: outer.oneOf("RevisionType", types...)}
	if len(*d.problems) > before {
		return r
	}
	inside := func(name string) document {
		if !outer.has(name) {
			outer.problem("%s%s is missing", outer.path, name)
		}
		in := outer.object(name)
		if len(*d.problems) > before {
			in.problems = new([]string) // it is not reported field by field
		}
		return in
	}
	switch r.Type {
	case RevisionS3:
		in := inside("S3Revision")
		r.Bucket, r.Key = in.required("Bucket"), in.required("Key")
		r.BundleType = in.oneOf("BundleType", "tar", "tgz", "zip")
		r.Version, r.ETag = in.text("Version", ""), in.text("ETag", "")
	case RevisionGitHub:
		in := inside("GitHubRevision")
		r.Account = in.fileName("Account", in.required("Account"))
		r.Repository = in.fileName("Repository", in.required("Repository"))
		r.CommitID = in.reference("CommitId")
		if in.text("BundleType", "") != "" {
			r.BundleType = in.oneOf("BundleType", "tar", "tgz", "zip")
		}
		if !in.truth("Anonymous", true) {
			// The official agents ask for this field, and then use the token beside Revision.
			in.required("OAuthToken")
		}
		r.Token = d.text("GitHubAccessToken", "")
		if strings.ContainsFunc(r.Token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			d.problem("GitHubAccessToken contains characters that no token has")
		}
		r.Anonymous = r.Token == ""
	case RevisionLocalFile:
		in := inside("LocalRevision")
		r.Location, r.BundleType = in.required("Location"), in.oneOf("BundleType", "tar", "tgz", "zip")
	case RevisionLocalDirectory:
		in := inside("LocalRevision")
		r.Location, r.BundleType = in.required("Location"), in.oneOf("BundleType", "directory")
	}
	return r
}

// deploymentID reads a deployment id or ARN as a short id.
func (d document) deploymentID(name, value string) string {
	id := shortID(value)
	if id == "" && value != "" {
		d.problem("%s%s %q names no deployment", d.path, name, clip(value, 100))
	}
	return d.fileName(name, id)
}

// shortID reduces an ARN to the id of the deployment in it; anything else stays as it is.
func shortID(id string) string {
	if !strings.HasPrefix(id, "arn:") {
		return id
	}
	parts := strings.SplitN(id, ":", 6)
	resource := parts[len(parts)-1]
	if _, after, ok := strings.Cut(resource, "/"); ok {
		return after
	}
	if _, after, ok := strings.Cut(resource, ":"); ok {
		return after
	}
	return resource
}

// fileName checks that value, if there is one, can be the name of one file or directory and no more.
func (d document) fileName(name, value string) string {
	switch {
	case value == "":
		return ""
	case value == "." || value == ".." || strings.ContainsAny(value, `/\`) || strings.ContainsFunc(value, unicode.IsControl):
		d.problem("%s%s %q is not a plain name", d.path, name, clip(value, 100))
		return ""
	case len(value) > 255:
		d.problem("%s%s has %d characters, more than a file name may", d.path, name, len(value))
		return ""
	}
	return value
}

// reference reads the name of a commit, which may be a branch with slashes in a local deployment.
func (d document) reference(name string) string {
	s := d.required(name)
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\\' }) || climbs(s) {
		d.problem("%s%s %q is not the name of a commit", d.path, name, clip(s, 100))
	}
	return s
}

// appSpecFilename is a clean path below the revision's root. A slash at its start means that root (official agent 1.8).
func (d document) appSpecFilename() string {
	const name = "AppSpecFilename"
	s := d.text(name, "appspec.yml")
	below := path.Clean(strings.TrimLeft(s, "/"))
	if !filepath.IsLocal(below) || below == "." || strings.Contains(s, `\`) || strings.ContainsFunc(s, unicode.IsControl) {
		d.problem("%s%s %q is not a path inside the revision", d.path, name, clip(s, 100))
	}
	return below
}

func climbs(path string) bool { return slices.Contains(strings.Split(path, "/"), "..") }

// MatchesExecution says whether the specification's deployment id occurs in the execution id of a command. The form of
// execution ids is not documented, so a mismatch is a reason to log, not to refuse.
func MatchesExecution(s *Specification, executionID string) bool {
	words := strings.FieldsFunc(executionID, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return slices.Contains(words, s.DeploymentID)
}
