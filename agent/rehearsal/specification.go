package rehearsal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
)

// Deployment types and creators, as the service spells them.
const (
	TypeInPlace   = "IN_PLACE"
	TypeBlueGreen = "BLUE_GREEN"

	CreatorUser     = "user"
	CreatorRollback = "codeDeployRollback"
)

// SpecOptions are what a deployment specification says.
type SpecOptions struct {
	DeploymentID, GroupID, GroupName, ApplicationName string
	// Creator and Type default to "user" and "IN_PLACE".
	Creator, Type string
	Revision      Revision
	// FileExistsBehavior is DISALLOW, OVERWRITE or RETAIN; empty means DISALLOW.
	FileExistsBehavior string
	// AppSpecFilename, AllPossibleLifecycleEvents and ReuseArchiveFromDeploymentID are left out when empty.
	AppSpecFilename              string
	AllPossibleLifecycleEvents   []string
	ReuseArchiveFromDeploymentID string
}

// Revision is where the bundle is. Exactly one of its fields is set.
type Revision struct {
	S3     *S3Location
	GitHub *GitHubLocation
}

// S3Location is a bundle in S3. Version and ETag are left out when empty; BundleType is tar, tgz or zip.
type S3Location struct{ Bucket, Key, Version, ETag, BundleType string }

// GitHubLocation is a commit on GitHub. Without Token it is anonymous; BundleType is left out when empty.
type GitHubLocation struct{ Account, Repository, CommitID, Token, BundleType string }

// wireSpec is a deployment specification as the service spells it.
type wireSpec struct {
	ApplicationId, ApplicationName, DeploymentCreator, DeploymentGroupId string
	DeploymentGroupName, DeploymentId, DeploymentType                    string
	AgentActionOverrides                                                 overrides
	Revision                                                             wireRevision
	AppSpecFilename                                                      string   `json:",omitempty"`
	AllPossibleLifecycleEvents                                           []string `json:",omitempty"`
	ReuseArchiveFromDeploymentId                                         string   `json:",omitempty"`
	GitHubAccessToken                                                    string   `json:",omitempty"`
}

type overrides struct {
	AgentOverrides struct{ FileExistsBehavior string }
}

type wireRevision struct {
	RevisionType   string
	S3Revision     *wireS3     `json:",omitempty"`
	GitHubRevision *wireGitHub `json:",omitempty"`
}

type wireS3 struct {
	Bucket, Key, BundleType string
	Version                 string `json:",omitempty"`
	ETag                    string `json:",omitempty"`
}

type wireGitHub struct {
	Account, Repository, CommitId string
	BundleType                    string `json:",omitempty"`
}

// JSON is the specification's text, as it is signed. It refuses options that name no revision or two; everything else
// is taken as it is, because it is the agent's work to refuse what it cannot use.
func (o SpecOptions) JSON() ([]byte, error) {
	spec := wireSpec{
		ApplicationId:   "00000000-1111-2222-3333-444444444444", // what it is derived from is not documented; agents do not use it
		ApplicationName: o.ApplicationName, DeploymentCreator: or(o.Creator, CreatorUser), DeploymentGroupId: o.GroupID,
		DeploymentGroupName: o.GroupName, DeploymentId: o.DeploymentID, DeploymentType: or(o.Type, TypeInPlace),
		AppSpecFilename: o.AppSpecFilename, AllPossibleLifecycleEvents: o.AllPossibleLifecycleEvents,
		ReuseArchiveFromDeploymentId: o.ReuseArchiveFromDeploymentID,
	}
	spec.AgentActionOverrides.AgentOverrides.FileExistsBehavior = or(o.FileExistsBehavior, "DISALLOW")
	switch s3, github := o.Revision.S3, o.Revision.GitHub; {
	case (s3 == nil) == (github == nil):
		return nil, fmt.Errorf("cannot make the specification of %s: it needs one revision, in S3 or on GitHub", o.DeploymentID)
	case s3 != nil:
		spec.Revision = wireRevision{RevisionType: "S3", S3Revision: &wireS3{Bucket: s3.Bucket, Key: s3.Key,
			BundleType: s3.BundleType, Version: s3.Version, ETag: s3.ETag}}
	default:
		spec.Revision = wireRevision{RevisionType: "GitHub", GitHubRevision: &wireGitHub{Account: github.Account,
			Repository: github.Repository, CommitId: github.CommitID, BundleType: github.BundleType}}
		spec.GitHubAccessToken = github.Token
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("cannot make the specification of %s: %w", o.DeploymentID, err)
	}
	return text, nil
}

// Envelope is how a specification is published: as the service does it, or wrong.
type Envelope string

// The envelopes. The zero value is Signed.
const (
	Signed Envelope = ""
	// Tampered has content that was changed after it was signed.
	Tampered Envelope = "tampered"
	// ForeignSigner is signed well, by an authority that is not SignerCAPEM's.
	ForeignSigner Envelope = "foreign signer"
	// PlainText and PlainJSON are not signed: the formats TEXT/JSON and JSON.
	PlainText Envelope = "TEXT/JSON"
	PlainJSON Envelope = "JSON"
	// UnknownFormat is signed but calls itself PKCS7/XML.
	UnknownFormat Envelope = "unknown format"
	// GarbageMessage is PEM around bytes that are no PKCS#7 message; EmptyPayload has no payload at all.
	GarbageMessage Envelope = "garbage"
	EmptyPayload   Envelope = "empty"
	// NoEnvelope has a specification without an envelope, NoSpecification no specification.
	NoEnvelope      Envelope = "no envelope"
	NoSpecification Envelope = "no specification"
	// ForeignSystem is signed but says that another deployment system is to handle it.
	ForeignSystem Envelope = "foreign system"
)

// Publish makes content the specification of an execution id, replacing what was published for it before. Content is
// usually SpecOptions.JSON; any bytes are taken.
func (s *Service) Publish(executionID string, content []byte, how Envelope) error {
	body, err := s.envelope(content, how)
	if err != nil {
		return fmt.Errorf("cannot publish %s: %w", executionID, err)
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	s.queue.specs[executionID] = body
	return nil
}

func (s *Service) envelope(content []byte, how Envelope) (any, error) {
	type wire struct{ Format, Payload string }
	system, specification := "CodeDeploy", map[string]any{}
	put := func(format string, payload []byte) { specification["GenericEnvelope"] = wire{format, string(payload)} }
	switch how {
	case Signed, Tampered, UnknownFormat, ForeignSystem, ForeignSigner:
		signer, format := s.signer, "PKCS7/JSON"
		if how == ForeignSigner {
			signer = s.foreign
		}
		message, err := signer.sign(content)
		if err == nil && how == Tampered {
			message, err = tamper(message, content)
		}
		if err != nil {
			return nil, err
		}
		if how == UnknownFormat {
			format = "PKCS7/XML"
		}
		if how == ForeignSystem {
			system = "SomethingElse"
		}
		put(format, message)
	case PlainText, PlainJSON:
		put(string(how), content)
	case GarbageMessage:
		put("PKCS7/JSON", []byte("-----BEGIN PKCS7-----\nAAECAwQF\n-----END PKCS7-----\n"))
	case EmptyPayload:
		put("PKCS7/JSON", nil)
	case NoEnvelope:
	case NoSpecification:
		return map[string]any{"DeploymentSystem": system}, nil
	default:
		return nil, fmt.Errorf("there is no envelope %q", how)
	}
	return map[string]any{"DeploymentSystem": system, "DeploymentSpecification": specification}, nil
}

// NewDeploymentID makes up a deployment id: "d-" and nine capital letters and digits.
func NewDeploymentID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	id := []byte("d-")
	for range 9 {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil { // crypto/rand's reader does not fail
			panic(err)
		}
		id = append(id, letters[n.Int64()])
	}
	return string(id)
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
