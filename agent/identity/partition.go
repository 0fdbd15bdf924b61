package identity

import "strings"

// partitions are AWS's partitions with the prefixes of their regions and the domains of their endpoints (AWS SDK endpoint data).
var partitions = []struct{ name, regions, domain string }{
	{"aws-cn", "cn-", "amazonaws.com.cn"},
	{"aws-us-gov", "us-gov-", "amazonaws.com"},
	{"aws-iso", "us-iso-", "c2s.ic.gov"},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov"},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov"},
	{"aws-eusc", "eusc-", "amazonaws.eu"},
}

// partitionOf returns the partition and domain of a region.
func partitionOf(region string) (name, domain string) {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.name, p.domain
		}
	}
	return "aws", "amazonaws.com"
}
