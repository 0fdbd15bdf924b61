package command

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
)

// nearby is a service at no distance.
type nearby string

func (a nearby) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"X-Amzn-Requestid": {"1"}, "Content-Type": {"application/x-amz-json-1.1"}, "Date": {"Wed, 25 Nov 2026 02:00:00 GMT"}},
		Body:   io.NopCloser(strings.NewReader(string(a)))}, nil
}

// BenchmarkPoll is one poll that brings nothing, without the network: most of what an idle agent does.
func BenchmarkPoll(b *testing.B) {
	c, err := NewClient(Options{Endpoint: "https://codedeploy-commands.us-east-1.amazonaws.com", Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""), Transport: nearby("{}")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Poll(context.Background(), "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"); err != nil {
			b.Fatal(err)
		}
	}
}
