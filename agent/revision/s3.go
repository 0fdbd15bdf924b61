package revision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"go.uber.org/zap"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/network"
	"codedeploy-agent/agent/progress"
)

// S3Options say how S3 is reached.
type S3Options struct {
	Region           string                  // region of the bucket; another region is found out if S3 tells it
	Domain           string                  // domain of the region's partition, as "amazonaws.com.cn"; empty: "amazonaws.com"
	FIPS             bool                    // use_fips_mode: the FIPS endpoint, s3-fips.<region>.<domain>
	EndpointOverride string                  // s3_endpoint_override: a URL in the place of s3.<region>.<domain>; wins over FIPS
	Credentials      aws.CredentialsProvider // nil: unsigned requests, for public objects
	Transport        http.RoundTripper       // nil: http.DefaultTransport
	UserAgent        string                  // "name/version", added to that of the AWS SDK
	Log              *zap.Logger             // nil: nothing is logged
	WireLog          *zap.Logger             // log_aws_wire: requests and answers without bodies and secrets; nil: none

	Stall time.Duration                              // give up a connection that brings nothing for so long; 0: a minute
	Sleep func(context.Context, time.Duration) error // waits between attempts; nil: by the clock
}

type s3Source struct {
	o                          S3Options
	bucket, key, version, etag string

	open        opener
	recordEvery time.Duration
}

// NewS3 is the object key of bucket. version (empty: the newest) and etag (empty: any; quotes do not matter) are what the
// deployment specification asks for. Addresses are in path style, so that any bucket name has a valid certificate.
//
// Fetch makes five attempts at what can succeed later (not 403, 404 or another ETag) and goes on where a connection broke off. An
// object of 32 MiB or more comes over four connections. All parts have to be of one ETag, the file has to have the
// object's length, and where S3 has a checksum of the whole object, that checksum. It also goes on where an earlier agent was
// killed, if the object has still the same ETag or was asked for by its version.
func NewS3(o S3Options, bucket, key, version, etag string) (Source, error) {
	var missing []string
	for _, v := range []struct{ name, value string }{{"bucket", bucket}, {"key", key}, {"region", o.Region}} {
		if v.value == "" {
			missing = append(missing, v.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("cannot use an S3 revision (bucket %q, key %q) without %s", bucket, key, strings.Join(missing, " and "))
	}
	if o.Domain == "" {
		o.Domain = "amazonaws.com"
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.WireLog != nil {
		o.Transport = &wire{o.Transport, o.WireLog}
	}
	return &s3Source{o: o, bucket: bucket, key: key, version: version, etag: unquote(etag), open: openPart, recordEvery: s3RecordEvery}, nil
}

func (s *s3Source) String() string { return "s3://" + s.bucket + "/" + s.key }

// S3Endpoint is where the buckets of a region are. domain is the partition's, override the setting s3_endpoint_override.
func S3Endpoint(region, domain, override string, fips bool) string {
	host := "s3"
	if fips {
		host = "s3-fips"
	}
	switch {
	case override == "":
		return "https://" + host + "." + region + "." + domain
	case !strings.Contains(override, "://"):
		return "https://" + override
	default:
		return override
	}
}

// maxS3Error bounds the body of a refusal in bytes, which the SDK reads whole.
const maxS3Error = 256 << 10

func (s *s3Source) client(region string) *s3.Client {
	credentials := s.o.Credentials
	if credentials == nil {
		credentials = aws.AnonymousCredentials{}
	}
	agent := func(*middleware.Stack) error { return nil }
	if name, version, ok := strings.Cut(s.o.UserAgent, "/"); ok {
		agent = awsmiddleware.AddUserAgentKeyValue(name, version)
	} else if name != "" {
		agent = awsmiddleware.AddUserAgentKey(name)
	}
	return s3.New(s3.Options{
		Region:       region,
		BaseEndpoint: aws.String(S3Endpoint(region, s.o.Domain, s.o.EndpointOverride, s.o.FIPS)),
		UsePathStyle: true,
		Credentials:  credentials,
		Retryer:      aws.NopRetryer{}, // attempts are counted where bodies are read
		HTTPClient: &http.Client{Transport: network.Bounded(s.o.Transport, maxS3Error, http.StatusMultipleChoices), CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a signature is for one host
		}},
		ResponseChecksumValidation:  aws.ResponseChecksumValidationWhenRequired, // the whole file is checked at the end
		DisableS3ExpressSessionAuth: aws.Bool(true),
		APIOptions:                  []func(*middleware.Stack) error{agent},
	})
}

func (s *s3Source) Fetch(ctx context.Context, path string, work *progress.Work) (Fetched, error) {
	f := &s3Fetch{s3Source: s, path: path, region: s.o.Region, at: s.client(s.o.Region), work: work,
		gauge: disk.Gauge{Dir: filepath.Dir(path)}}
	err := f.fetch(ctx)
	if e := f.close(); err == nil {
		err = e
	}
	if err != nil {
		return Fetched{}, f.explain(f.trouble(err))
	}
	return Fetched{ETag: f.object.etag, VersionID: f.object.version, Bytes: f.got.bytes()}, nil
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }

// errChanged is a server that answers a later request with another object than the first one.
var errChanged = errors.New("the object was replaced while it was being downloaded; deploy again")
