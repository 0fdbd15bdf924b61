package secrets

import (
	"regexp"
	"strings"
	"sync"
)

// What a value may consist of in the patterns below. They have to leave JSON and quoted text whole, so no value contains a quote or a backslash.
const value = `[^\s"'<>\\&,;]+`

// pattern is what a secret looks like. hints are lower-case texts one of which is in every match, so that most lines are not searched.
type pattern struct {
	hints       []string
	look        func() *regexp.Regexp
	replacement string
}

// lookFor compiles an expression when it is first needed: they are large, and every script has a runner that needs them only if there is something
// like a secret in the output.
func lookFor(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

var patterns = []pattern{
	// https://user:password@host
	{[]string{"@"}, lookFor(`://[^/\s"'<>\\]*@`), "://" + mask + "@"},
	// Authorization: AWS4-HMAC-SHA256 Credential=…, Basic …, Bearer …, token …
	{[]string{"authorization"}, lookFor(`(?i)((?:proxy-)?authorization["']?\s*[:=]\s*\\?["']?)(?:(?:basic|bearer|token|digest|negotiate)\s+)?` + value), "${1}" + mask},
	// What such a header says, without its name
	{[]string{"basic ", "bearer "}, lookFor(`\b(Basic|Bearer)\s+[A-Za-z0-9+/._~-]{12,}=*`), "${1} " + mask},
	// The parts of a signature, in a header, a canonical request or the query of a presigned address (versions 4 and 2). With OAuth and the like
	// they are the whole secret.
	{[]string{"="}, lookFor(`(?i)\b((?:x-amz-)?(?:signature|credential)|awsaccesskeyid|(?:access_|id_|refresh_|private_)?token|client_secret|sig)=` + value), "${1}=" + mask},
	// Session tokens and keys by their names, in headers, INI files, YAML, JSON and environments
	{[]string{"token", "secret", "password", "passwd"}, lookFor(`(?i)\b(x-amz-security-token|x-aws-ec2-metadata-token|(?:aws_|amazon_|codedeploy_)?(?:session_token|sessiontoken|security_token|secret_access_key|secretaccesskey|secret_key|github_token|githubaccesstoken|oauthtoken)|password|passwd)(\\?["']?\s*[:=]\s*\\?["']?)` + value), "${1}${2}" + mask},
	// Access key ids, which name who asks
	{[]string{"akia", "asia"}, lookFor(`\b(?:AKIA|ASIA)[A-Z0-9]{12,124}\b`), mask},
	// Tokens of GitHub
	{[]string{"gh", "github_pat_"}, lookFor(`\b(?:gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_[A-Za-z0-9_]{16,255})\b`), mask},
}

// Redact leaves out of s what looks like a secret.
func Redact(s string) string {
	low := strings.ToLower(s)
	for _, p := range patterns {
		for _, h := range p.hints {
			if strings.Contains(low, h) {
				s = p.look().ReplaceAllString(s, p.replacement)
				break
			}
		}
	}
	return s
}
