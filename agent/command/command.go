// Package command is the agent's side of the conversation with the CodeDeploy command service: it polls for host
// commands, fetches and verifies deployment specifications, acknowledges commands and reports how they ended.
//
// The protocol is AWS JSON 1.1 with Signature Version 4, as the service model in the official agent 1.8 describes it.
// Everything the service answers is treated as input that may be wrong: it is bounded, checked, and never trusted to
// have the types the model promises.
package command

import "strings"

// ProtocolVersion is sent as x-amz-codedeploy-agent-version with every call. The service may decide by it what it sends
// (archive reuse needs 2.1.0, official agent 2.x), so it names the official version whose protocol this package speaks.
// The agent's own version belongs into the User-Agent.
const ProtocolVersion = "2.1.0"

// The values of CommandStatus in the service model.
const (
	StatusPending    = "Pending"
	StatusInProgress = "InProgress"
	StatusSucceeded  = "Succeeded"
	StatusFailed     = "Failed"
)

// HostCommand is one lifecycle event that the service wants done on this host.
type HostCommand struct {
	// ID is the HostCommandIdentifier, the name of the command in every later call. It is never empty.
	ID string
	// HostIdentifier is the host the command is meant for. The caller compares it with its own.
	HostIdentifier string
	// ExecutionID is the DeploymentExecutionId, with which the deployment specification is fetched.
	ExecutionID string
	// Name is the lifecycle event, for example BeforeInstall. It may be empty: the service's answer is not corrected.
	Name string
	// Nonce is not used by the official agents. 0 when the service sent none.
	Nonce int64
}

// SpecificationAnswer is what the service knows about a deployment, not yet verified.
type SpecificationAnswer struct {
	// System is the DeploymentSystem; "CodeDeploy" for every deployment an agent can run.
	System string
	// Envelope carries the deployment specification; nil when the service sent none. Verifier.Open opens it.
	Envelope *Envelope
}

// Endpoint is the address of the command service in a region. domain is the partition's DNS suffix as instance metadata
// gives it (services/domain); when it is empty it is derived from the region: amazonaws.com.cn for cn-, amazonaws.eu for
// eusc- (official agent 1.8), amazonaws.com otherwise. authPolicy selects the endpoint of enable_auth_policy, fips that
// of use_fips_mode.
func Endpoint(region, domain string, authPolicy, fips bool) string {
	if domain == "" {
		switch {
		case strings.HasPrefix(region, "cn-"):
			domain = "amazonaws.com.cn"
		case strings.HasPrefix(region, "eusc-"):
			domain = "amazonaws.eu"
		default:
			domain = "amazonaws.com"
		}
	}
	host := "codedeploy-commands"
	if authPolicy {
		host += "-secure"
	}
	if fips {
		host += "-fips"
	}
	return "https://" + host + "." + region + "." + domain
}
