package dryrun

import "strings"

const metadataAddress = "169.254.169.254"

// metadata is the instance metadata of an instance that does not exist.
func metadata(address string) (string, bool) {
	_, rest, _ := strings.Cut(address, metadataAddress)
	name := strings.Trim(rest, "/")
	if i := strings.Index(name, "/"); i >= 0 {
		name = name[i+1:] // without the version
	}
	text, ok := map[string]string{
		"api/token":                                "dry-run-token",
		"meta-data/ami-id":                         "ami-0123456789abcdef0",
		"meta-data/hostname":                       "localhost",
		"meta-data/iam/security-credentials":       "dry-run-role",
		"meta-data/iam/info":                       `{"Code":"Success","InstanceProfileArn":"arn:aws:iam::123456789012:instance-profile/dry-run-role"}`,
		"meta-data/instance-id":                    "i-0123456789abcdef0",
		"meta-data/instance-life-cycle":            "on-demand",
		"meta-data/instance-type":                  "t3.micro",
		"meta-data/local-hostname":                 "localhost",
		"meta-data/local-ipv4":                     "127.0.0.1",
		"meta-data/mac":                            "02:00:00:00:00:01",
		"meta-data/placement/availability-zone":    "us-east-1a",
		"meta-data/placement/availability-zone-id": "use1-az1",
		"meta-data/placement/region":               "us-east-1",
		"meta-data/public-hostname":                "localhost",
		"meta-data/public-ipv4":                    "127.0.0.1",
		"meta-data/security-groups":                "dry-run",
		"meta-data/services/domain":                "amazonaws.com",
		"meta-data/tags/instance":                  "Name",
		"dynamic/instance-identity/document": `{"region":"us-east-1","availabilityZone":"us-east-1a","instanceId":"i-0123456789abcdef0",` +
			`"accountId":"123456789012","instanceType":"t3.micro","privateIp":"127.0.0.1"}`,
	}[name]
	switch {
	case ok:
	case strings.HasPrefix(name, "meta-data/tags/instance/"):
		return dryRunValue, true
	case strings.HasPrefix(name, "meta-data/iam/security-credentials/"):
		return `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"DRYRUN","SecretAccessKey":"` + dryRunValue + `","Token":"` + dryRunValue +
			`","Expiration":"2099-01-01T00:00:00Z"}`, true
	}
	return text, ok
}
