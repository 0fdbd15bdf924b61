package identity

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"gopkg.in/yaml.v3"

	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/secrets"
	"codedeploy-agent/appspec/spelling"
)

// onPremises is the on-premises file. Its keys may have the Ruby agent's spelling with a colon in front.
type onPremises struct {
	path                                  string
	region, userARN, sessionARN           string
	accessKey, secretKey, credentialsFile string
}

var onPremisesKeys = []string{"region", "iam_user_arn", "iam_session_arn", "aws_access_key_id", "aws_secret_access_key", "aws_credentials_file"}

func parseOnPremises(path string, data []byte) (*onPremises, error) {
	var raw map[string]any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		// The library's text quotes the line, which may hold a secret.
		return nil, fmt.Errorf("cannot use the on-premises file %s: it is not a YAML mapping", path)
	}
	f := &onPremises{path: path}
	for key, value := range raw {
		name := strings.TrimPrefix(key, ":")
		i := slices.Index(onPremisesKeys, name)
		if i < 0 {
			if near := spelling.Nearest(name, onPremisesKeys); near != "" && raw[near] == nil && raw[":"+near] == nil {
				return nil, fmt.Errorf("cannot use the on-premises file %s: there is no key %q; did you mean %s?", path, name, near)
			}
			continue
		}
		text, ok := value.(string)
		if value != nil && !ok {
			return nil, fmt.Errorf("cannot use the on-premises file %s: %s must be a text", path, name)
		}
		*[]*string{&f.region, &f.userARN, &f.sessionARN, &f.accessKey, &f.secretKey, &f.credentialsFile}[i] = strings.TrimSpace(text)
	}
	return f, nil
}

// empty says that the file names nobody. The official agent 2.x then takes the host for an instance.
func (f *onPremises) empty() bool {
	return f.userARN == "" && f.sessionARN == "" && f.accessKey == "" && f.secretKey == "" && f.credentialsFile == ""
}

// HookVariables are what hooks on a host with an on-premises file are told about it, as by the official agent 1.8: AWS_REGION and
// AWS_HOST_IDENTIFIER. Without a file that names the host there are none; what is wrong with the file is told by Resolve.
func HookVariables(onPremisesFile string) map[string]string {
	data, err := os.ReadFile(onPremisesFile)
	if err != nil {
		return nil
	}
	f, err := parseOnPremises(onPremisesFile, data)
	if err != nil || f.region == "" || f.userARN == "" && f.sessionARN == "" {
		return nil
	}
	return map[string]string{"AWS_REGION": f.region, "AWS_HOST_IDENTIFIER": cmp.Or(f.userARN, f.sessionARN)}
}

// CredentialsFile is the file with credentials that the on-premises file names, empty if it names none.
func CredentialsFile(onPremisesFile string) string {
	data, err := os.ReadFile(onPremisesFile)
	if err != nil {
		return ""
	}
	f, err := parseOnPremises(onPremisesFile, data)
	if err != nil {
		return ""
	}
	return f.credentialsFile
}

func (r *Resolver) onPremises(ctx context.Context, f *onPremises) (*Identity, error) {
	arn := f.userARN
	if arn == "" {
		arn = f.sessionARN
	}
	var missing []string
	need := func(key, value string) {
		if value == "" {
			missing = append(missing, key)
		}
	}
	need("region", f.region)
	switch {
	case f.userARN != "" && f.sessionARN != "":
		return nil, fmt.Errorf("cannot use the on-premises file %s: it has both iam_user_arn and iam_session_arn; remove one", f.path)
	case f.sessionARN != "":
		need("aws_credentials_file", f.credentialsFile)
	default:
		if arn == "" {
			missing = append(missing, "iam_user_arn (or iam_session_arn)")
		}
		need("aws_access_key_id", f.accessKey)
		need("aws_secret_access_key", f.secretKey)
	}
	if missing != nil {
		return nil, fmt.Errorf("cannot use the on-premises file %s: it lacks %s", f.path, strings.Join(missing, ", "))
	}
	partition, domain := partitionOf(f.region)
	parts := strings.Split(arn, ":")
	if len(parts) < 6 || parts[0] != "arn" {
		return nil, fmt.Errorf("cannot use the on-premises file %s: %q is not an ARN", f.path, arn)
	}
	id := &Identity{Region: f.region, HostIdentifier: arn, Partition: partition, Domain: domain, OnPremises: true, Source: "on-premises file " + f.path}
	if f.userARN != "" {
		id.Credentials = announced{credentials.NewStaticCredentialsProvider(f.accessKey, f.secretKey, ""), r.secrets}
		_, err := id.Credentials.Retrieve(ctx)
		return id, err
	}
	file := &sessionFile{path: f.credentialsFile, secrets: r.secrets, guard: r.guard, now: time.Now}
	id.Credentials = file
	if _, err := file.Retrieve(ctx); err != nil {
		return nil, credentialsError{err}
	}
	return id, nil
}

// sessionFile gives the credentials of a file that somebody else renews. Each Retrieve looks whether it has changed.
type sessionFile struct {
	path    string
	secrets *secrets.Register
	guard   *custody.Guard
	now     func() time.Time
	mu      sync.Mutex
	stamp   fs.FileInfo
	held    aws.Credentials
}

// sessionLife is for how long a holder may keep the credentials before it asks again; the file does not say when they expire.
const sessionLife = 5 * time.Minute

// Retrieve implements aws.CredentialsProvider.
func (s *sessionFile) Retrieve(context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fi, err := os.Stat(s.path)
	if err == nil && (s.stamp == nil || !os.SameFile(fi, s.stamp) || fi.Size() != s.stamp.Size() || !fi.ModTime().Equal(s.stamp.ModTime())) {
		var c aws.Credentials
		if c, err = s.read(); err == nil {
			s.held, s.stamp = c, fi
			announce(s.secrets, c)
		}
	}
	// A file that is being replaced may be away or half written for a moment; the credentials at hand are good until the service says no.
	if err != nil && s.stamp == nil {
		return aws.Credentials{}, fmt.Errorf("cannot read the session's credentials from %s: %w", s.path, plainError(err))
	}
	c := s.held
	c.Source, c.CanExpire, c.Expires = "aws_credentials_file", true, s.now().Add(sessionLife)
	return c, nil
}

func (s *sessionFile) read() (aws.Credentials, error) {
	if err := s.guard.CheckSecret(s.path); err != nil {
		return aws.Credentials{}, err
	}
	data, err := os.ReadFile(s.path)
	if err != nil {
		return aws.Credentials{}, err
	}
	return parseCredentials(data)
}

// Invalidate makes the next Retrieve read the file.
func (s *sessionFile) Invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp = nil
}

// plainError leaves out the path, which the message has already.
func plainError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// parseCredentials reads the section [default] of an INI file (official agents). Lines before any section belong to it, too.
func parseCredentials(data []byte) (aws.Credentials, error) {
	var c aws.Credentials
	section := "default"
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section != "default" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "aws_access_key_id":
			c.AccessKeyID = value
		case "aws_secret_access_key":
			c.SecretAccessKey = value
		case "aws_session_token":
			c.SessionToken = value
		}
	}
	if err := lines.Err(); err != nil {
		return c, err
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return c, errors.New("its section [default] lacks aws_access_key_id or aws_secret_access_key")
	}
	return c, nil
}
