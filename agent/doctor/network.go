package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/revision"
)

// How far the clock may be off: the service refuses signatures that are older than five minutes (AWS Signature Version 4).
const (
	clockLimit = 4 * time.Minute
	clockNotes = 30 * time.Second
)

// network asks each address that a deployment needs for any answer.
func (d *doctor) network(ctx context.Context) {
	service, bundles := d.Config.DeployControlEndpoint, ""
	if d.who != nil {
		if service == "" {
			service = command.Endpoint(d.who.Region, d.who.Domain, d.Config.EnableAuthPolicy, d.Config.UseFIPSMode)
		}
		bundles = revision.S3Endpoint(d.who.Region, d.who.Domain, d.Config.S3EndpointOverride, d.Config.UseFIPSMode)
	}
	if service == "" {
		d.add("network", Warning, "find out the identity first", "the addresses of the services depend on the region, which is not known")
		return
	}
	if date, ok := d.reach(ctx, "the command service", service, Error); ok {
		d.clock(date)
	}
	if bundles != "" {
		d.reach(ctx, "S3", bundles, Error)
	}
	d.reach(ctx, "GitHub", "https://api.github.com", Advice)
}

// reach asks an address. bad is how bad it is if it does not answer.
func (d *doctor) reach(ctx context.Context, name, url string, bad Severity) (date time.Time, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	through := ""
	if proxy := d.Proxied(url); proxy != "" {
		through = " through the proxy " + proxy
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		d.add("network", Error, "correct the address in the configuration", "cannot ask %s: %v", name, err)
		return date, false
	}
	began := time.Now()
	answer, err := d.Transport.RoundTrip(request)
	if err != nil {
		hint := "look at name resolution, routes, security groups, VPC endpoints and proxy_uri"
		var certificate *tls.CertificateVerificationError
		switch {
		case errors.As(err, &certificate):
			hint = "an authority between here and there is not trusted: ca_bundle_file adds one"
		case name == "GitHub":
			hint = "only deployments from GitHub need it"
		}
		d.add("network", bad, hint, "%s at %s cannot be reached%s: %v", name, url, through, err)
		return date, false
	}
	defer answer.Body.Close()
	took := time.Since(began)
	io.CopyN(io.Discard, answer.Body, 4<<10)
	how := ""
	if answer.TLS != nil {
		how = ", " + tls.VersionName(answer.TLS.Version)
	}
	if answer.StatusCode == http.StatusProxyAuthRequired {
		d.add("network", bad, "give user and password in proxy_uri", "the proxy %s asks for a password", d.Proxied(url))
		return date, false
	}
	d.add("network", OK, "", "%s at %s answers%s in %s%s", name, url, through, took.Round(time.Millisecond), how)
	date, err = http.ParseTime(answer.Header.Get("Date"))
	return date, err == nil
}

// clock compares the host's clock with the date of an answer, which has whole seconds.
func (d *doctor) clock(date time.Time) {
	off := time.Since(date.Add(time.Second / 2))
	text := fmt.Sprintf("it is %s behind the command service's", (-off).Round(time.Second))
	if off > 0 {
		text = fmt.Sprintf("it is %s ahead of the command service's", off.Round(time.Second))
	}
	const hint = "set it, and let chrony or systemd-timesyncd keep it right; on EC2 169.254.169.123 has the time"
	switch off = off.Abs(); {
	case off > clockLimit:
		d.add("clock", Error, hint, "%s: signatures are refused", text)
	case off > clockNotes:
		d.add("clock", Warning, hint, "%s", text)
	default:
		d.add("clock", OK, "", "it agrees with the command service's")
	}
}
