package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"codedeploy-agent/agent/network"
)

const (
	// metadataTimeout bounds one look at instance metadata.
	metadataTimeout = 15 * time.Second
	// expiryWindow is how long before their end a role's credentials are renewed (AWS publishes new ones five minutes before).
	expiryWindow = 4 * time.Minute
	maxMetadata  = 64 << 10 // bytes of an answer
	retryPause   = 100 * time.Millisecond
)

// instance is the identity of an EC2 instance. AWS_REGION and AWS_HOST_IDENTIFIER win over what metadata says (official agents).
func (r *Resolver) instance(ctx context.Context) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	client := r.metadata()
	id := &Identity{Region: os.Getenv("AWS_REGION"), HostIdentifier: os.Getenv("AWS_HOST_IDENTIFIER"), Source: "instance metadata"}
	if id.Region != "" && id.HostIdentifier != "" {
		id.Source = "AWS_REGION and AWS_HOST_IDENTIFIER"
		id.Partition, id.Domain = partitionOf(id.Region)
	} else if err := r.document(ctx, client, id); err != nil {
		return nil, err
	}
	id.Credentials = aws.NewCredentialsCache(announced{ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }), r.secrets},
		func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryWindow })
	if _, err := id.Credentials.Retrieve(ctx); err != nil {
		if metadataStatus(err) == http.StatusNotFound {
			return nil, credentialsError{errors.New("instance metadata has no credentials: attach an instance profile (an IAM role) to this instance")}
		}
		return nil, credentialsError{fmt.Errorf("cannot get the instance role's credentials from instance metadata: %w", metadataError(err))}
	}
	return id, nil
}

// document completes the identity from the instance identity document.
func (r *Resolver) document(ctx context.Context, client *imds.Client, id *Identity) error {
	d, err := client.GetInstanceIdentityDocument(ctx, nil)
	if err != nil {
		if metadataStatus(err) == http.StatusUnauthorized && r.config.DisableIMDSv1 {
			return errors.New("instance metadata refuses the token")
		}
		return fmt.Errorf("cannot learn from instance metadata who this host is, and there is no on-premises file %s: %w",
			r.config.OnPremisesConfigFile, metadataError(err))
	}
	if d.Region == "" || d.AccountID == "" || d.InstanceID == "" {
		return errors.New("cannot learn from instance metadata who this host is: the identity document lacks region, accountId or instanceId")
	}
	partition, domain := partitionOf(d.Region)
	if text := readMetadata(ctx, client, "services/partition"); text != "" {
		partition = text
	}
	if text := readMetadata(ctx, client, "services/domain"); text != "" {
		domain = text
	}
	if id.Region == "" {
		id.Region = d.Region
	}
	if id.HostIdentifier == "" {
		id.HostIdentifier = fmt.Sprintf("arn:%s:ec2:%s:%s:instance/%s", partition, d.Region, d.AccountID, d.InstanceID)
	}
	id.Partition, id.Domain = partition, domain
	return nil
}

// metadata returns the client of the instance metadata service. Version 1, without a token, is used only where version 2 is not there
// and disable_imds_v1 does not forbid it.
func (r *Resolver) metadata() *imds.Client {
	fallback := aws.UnknownTernary
	if r.config.DisableIMDSv1 {
		fallback = aws.FalseTernary
	}
	o := imds.Options{
		ClientEnableState: imds.ClientEnabled,
		Endpoint:          os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
		EnableFallback:    fallback,
		HTTPClient: &http.Client{
			Transport: network.Bounded(network.NewDirectTransport(), maxMetadata, 0),
			CheckRedirect: func(next *http.Request, via []*http.Request) error {
				if next.URL.Host != via[0].URL.Host || next.URL.Scheme != via[0].URL.Scheme || len(via) > 5 {
					return http.ErrUseLastResponse // the token must not go to another host
				}
				return nil
			},
		},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 2 // who asks tries again by itself
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return retryPause, nil })
		}),
		DisableDefaultMaxBackoff: true,
	}
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6") {
		o.EndpointMode = imds.EndpointModeStateIPv6
	}
	return imds.New(o)
}

// readMetadata returns a short text of the metadata, "" if it cannot be had.
func readMetadata(ctx context.Context, client *imds.Client, path string) string {
	out, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return ""
	}
	defer out.Content.Close()
	data, err := io.ReadAll(out.Content)
	text := strings.TrimSpace(string(data))
	if err != nil || strings.ContainsAny(text, " \n<>/") {
		return ""
	}
	return text
}

func metadataStatus(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// metadataError says in few words what the SDK says in many.
func metadataError(err error) error {
	var send *smithyhttp.RequestSendError
	switch status := metadataStatus(err); {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("it does not answer")
	case status != 0:
		return fmt.Errorf("it answers with status %d %s", status, http.StatusText(status))
	case errors.As(err, &send):
		return fmt.Errorf("it cannot be reached: %w", send.Err)
	}
	return err
}
