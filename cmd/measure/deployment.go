//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// wireEvents are the events of a deployment in the order in which the service sends them. All but DownloadBundle and Install have a script.
var wireEvents = []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall",
	"ApplicationStart", "ValidateService", "BeforeAllowTraffic"}

// wireDeployments is how many deployments one run of tenEvents measures; it returns the median.
const wireDeployments = 5

// tenEvents deploys over the wire with the default settings: the agent polls the embedded service over TLS, gets a bundle of one file from it and
// runs a script that does nothing in each of eight events. The time is from the moment the service has the first command to the last
// completion. A deployment that is not counted goes before, as on every host but a new one. The CPU time is the agent's own, without the scripts.
func tenEvents(agent, dir string) (c cost, err error) {
	metadata, err := rehearsal.NewMetadata(rehearsal.MetadataOptions{InstanceID: "i-0123456789abcdef0"})
	if err != nil {
		return c, err
	}
	defer metadata.Close()
	bundle, err := wireBundle(dir)
	if err != nil {
		return c, err
	}
	d, err := newDaemon(dir, rehearsal.Options{})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	signers, err := d.file("signers.pem", d.service.SignerCAPEM())
	if err != nil {
		return c, err
	}
	err = d.start(agent, []string{"on_premises_config_file: " + filepath.Join(dir, "none.yml"), "s3_endpoint_override: " + d.service.URL(),
		"deployment_signer_ca_file: " + signers}, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata.URL(), "AWS_REGION=", "AWS_HOST_IDENTIFIER=")
	if err != nil {
		return c, err
	}
	service, cmd := d.service, d.cmd
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	deploy := func(n int) (cost, error) {
		deployment, key := fmt.Sprintf("d-MEASURE%02d", n), fmt.Sprintf("bundle-%d.tar", n)
		etag, err := service.Put("bundles", key, rehearsal.Object{Data: bundle})
		if err != nil {
			return cost{}, err
		}
		content, err := rehearsal.SpecOptions{DeploymentID: deployment, GroupID: "1f2e3d4c-0000-4000-8000-000000000001", GroupName: "fleet",
			ApplicationName: "shop", Revision: rehearsal.Revision{S3: &rehearsal.S3Location{Bucket: "bundles", Key: key, ETag: etag, BundleType: "tar"}}}.JSON()
		if err != nil {
			return cost{}, err
		}
		execution := service.ExecutionID(deployment)
		if err := service.Publish(execution, content, rehearsal.Signed); err != nil {
			return cost{}, err
		}
		before, err := cpu(cmd.Process.Pid)
		if err != nil {
			return cost{}, err
		}
		began := time.Now()
		for _, event := range wireEvents {
			command, err := service.Queue(rehearsal.CommandOptions{Name: event, Host: metadata.HostIdentifier(), ExecutionID: execution})
			if err != nil {
				return cost{}, err
			}
			result, err := command.Wait(ctx)
			if err != nil {
				return cost{}, fmt.Errorf("%s: %w", event, err)
			}
			if !result.Succeeded() {
				return cost{}, fmt.Errorf("%s has failed: %+v", event, result)
			}
		}
		d := cost{Wall: time.Since(began).Seconds()}
		after, err := cpu(cmd.Process.Pid)
		if err != nil {
			return cost{}, err
		}
		status, err := memory(cmd.Process.Pid)
		d.CPU, d.Peak = after-before, status["VmHWM"]
		return d, err
	}
	var costs []cost
	for n := range 1 + wireDeployments {
		d, err := deploy(n)
		if err != nil {
			return c, fmt.Errorf("deployment %d: %w", n+1, err)
		}
		if n > 0 {
			costs = append(costs, d)
		}
	}
	return median(costs), nil
}

// wireBundle is a tar of one file and a script that does nothing for each event that can have one.
func wireBundle(dir string) ([]byte, error) {
	bundle := filepath.Join(dir, "wire")
	spec := "version: 0.0\nos: linux\nfiles:\n  - source: content\n    destination: " + filepath.Join(dir, "dest") + "\nhooks:\n"
	files := map[string]string{"content/index.html": "hello\n"}
	for _, event := range wireEvents {
		if event != "DownloadBundle" && event != "Install" {
			spec += "  " + event + ":\n    - location: hooks/" + event + ".sh\n"
			files["hooks/"+event+".sh"] = "#!/bin/sh\n:\n"
		}
	}
	files["appspec.yml"] = spec
	for name, content := range files {
		if err := put(filepath.Join(bundle, name), 0o755, strings.NewReader(content)); err != nil {
			return nil, err
		}
	}
	if err := pack(bundle, "tar"); err != nil {
		return nil, err
	}
	return os.ReadFile(bundle + ".tar")
}
