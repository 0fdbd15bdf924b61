package rehearsal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// checkSignature checks that a request is signed for the service called name and, where the service knows the
// credentials, that it is signed well.
func (s *Service) checkSignature(r *http.Request, name string, body []byte) error {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return refuse("the request is not signed: there is no Authorization header")
	}
	fields, ok := parseAuthorization(authorization)
	if !ok {
		return refuse("the Authorization header is no AWS4-HMAC-SHA256 signature with a credential scope")
	}
	if fields.service != name {
		return refuse("the request is signed for %q, not for %q", fields.service, name)
	}
	if s.options.Credentials == nil {
		return nil
	}
	secret, known := s.options.Credentials[fields.accessKey]
	if !known {
		return &refusal{http.StatusBadRequest, "UnrecognizedClientException",
			"The security token included in the request is invalid."}
	}
	expected, err := signatureOf(r, fields, secret, body)
	if err != nil {
		return refuse("the request's signature cannot be checked: %v", err)
	}
	if !hmac.Equal([]byte(expected), []byte(fields.signature)) {
		return &refusal{http.StatusBadRequest, "InvalidSignatureException",
			"The request signature we calculated does not match the signature you provided."}
	}
	return nil
}

// authorization is an AWS4-HMAC-SHA256 Authorization header, taken apart.
type authorization struct {
	accessKey, region, service, signature string
	signedHeaders                         []string
}

func parseAuthorization(header string) (authorization, bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return authorization{}, false
	}
	var a authorization
	for _, part := range strings.Split(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return authorization{}, false
			}
			a.accessKey, a.region, a.service = scope[0], scope[2], scope[3]
		case "SignedHeaders":
			a.signedHeaders = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, a.accessKey != "" && len(a.signedHeaders) > 0 && a.signature != ""
}

// signatureOf signs the request again, as its sender must have done.
func signatureOf(r *http.Request, a authorization, secret string, body []byte) (string, error) {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "", err
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	for name, values := range r.Header {
		if slices.Contains(a.signedHeaders, strings.ToLower(name)) {
			again.Header[name] = values
		}
	}
	again.Header.Del("X-Amz-Security-Token") // the signer sets it from the credentials
	if !slices.Contains(a.signedHeaders, "content-length") {
		again.ContentLength, again.Body = 0, io.NopCloser(bytes.NewReader(nil))
	}
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: a.accessKey, SecretAccessKey: secret,
		SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, again, hex.EncodeToString(sum[:]), a.service, a.region, at); err != nil {
		return "", err
	}
	fields, _ := parseAuthorization(again.Header.Get("Authorization"))
	return fields.signature, nil
}
