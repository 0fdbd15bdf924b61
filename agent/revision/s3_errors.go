package revision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// etagError is an object that is not the one that was deployed.
type etagError struct{ expected, got string }

func (e *etagError) Error() string {
	return fmt.Sprintf("expected ETag %s but got %s; the object was replaced after the deployment was created: deploy the new revision, or use versions",
		e.expected, e.got)
}

// explain says what was asked for, what S3 answered, and what to do.
func (f *s3Fetch) explain(err error) error {
	what := "s3://" + f.bucket + "/" + f.key
	if f.version != "" {
		what += " (version " + f.version + ")"
	}
	prefix := fmt.Sprintf("cannot download %s from region %s", what, f.region)
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	status := response.HTTPStatusCode()
	if status == http.StatusPreconditionFailed {
		if f.etag == "" {
			return fmt.Errorf("%s: %w", prefix, errChanged)
		}
		return fmt.Errorf("%s: %w", prefix, &etagError{f.etag, f.currentETag()})
	}
	code, message := "no S3 error code", http.StatusText(status)
	var api smithy.APIError
	if errors.As(err, &api) {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	text := fmt.Sprintf("%s: status %d, %s: %s", prefix, status, code, message)
	if id := response.ServiceRequestID(); id != "" {
		text += " (request id " + id + ")"
	}
	if hint := f.hint(status, code); hint != "" {
		text += "; " + hint
	}
	return &s3Error{text, err}
}

// s3Error has our words for people and the SDK's error for errors.As.
type s3Error struct {
	text string
	err  error
}

func (e *s3Error) Error() string { return e.text }
func (e *s3Error) Unwrap() error { return e.err }

func (f *s3Fetch) hint(status int, code string) string {
	switch code {
	case "RequestTimeTooSkewed":
		return "set this host's clock (chrony or NTP)"
	case "ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return "the credentials of this host were refused: check the instance profile, or the on-premises credentials file"
	case "NoSuchBucket":
		return "check the bucket's name, and that it is in this AWS partition"
	case "NoSuchVersion":
		return "that version does not exist: was it deleted by a lifecycle rule?"
	case "InvalidObjectState":
		return "the object is archived: restore it from Glacier, or upload it again"
	case "PermanentRedirect", "AuthorizationHeaderMalformed":
		return "the bucket is in another region; give its region"
	}
	action := "s3:GetObject"
	if f.version != "" {
		action = "s3:GetObject and s3:GetObjectVersion"
	}
	switch {
	case status == http.StatusForbidden:
		return fmt.Sprintf("allow %s on %s/* (and kms:Decrypt on its key, if it has one) to this host's instance profile or IAM identity; S3 answers the same when the object does not exist and s3:ListBucket is not allowed",
			action, f.bucket)
	case status == http.StatusNotFound:
		return "check the key and the version: was the object deleted after the deployment was created?"
	case status == http.StatusMethodNotAllowed:
		return "that version is a delete marker: the object was deleted"
	case status >= 500:
		return "S3 could not answer; deploy again later"
	}
	return ""
}

// currentETag asks for the ETag of the object that took the place of the deployed one. It asks as the download does and reads no byte: one
// operation of S3 less in the binary, and no other permission.
func (f *s3Fetch) currentETag() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	in := &s3.GetObjectInput{Bucket: &f.bucket, Key: &f.key}
	if f.version != "" {
		in.VersionId = &f.version
	}
	out, err := f.current().GetObject(ctx, in)
	if err != nil {
		return "another one"
	}
	out.Body.Close()
	if out.ETag == nil {
		return "another one"
	}
	return unquote(*out.ETag)
}

var (
	expecting  = regexp.MustCompile(`expecting '([^']*)'`)
	regionName = regexp.MustCompile(`^[a-z]{2,6}(-[a-z0-9]+)+-[0-9]+$`) // it becomes part of a host name
)

// bucketRegion is the region that S3 names in its refusal, or "".
func bucketRegion(err error) string {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil {
		return ""
	}
	region := response.Response.Header.Get("X-Amz-Bucket-Region")
	var api smithy.APIError
	if region == "" && errors.As(err, &api) && api.ErrorCode() == "AuthorizationHeaderMalformed" {
		if m := expecting.FindStringSubmatch(api.ErrorMessage()); m != nil {
			region = m[1]
		}
	}
	switch response.HTTPStatusCode() {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest, http.StatusForbidden:
		if regionName.MatchString(region) {
			return region
		}
	}
	return ""
}
