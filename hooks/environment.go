package hooks

import (
	"maps"
	"slices"
	"strings"
)

// Deployment is what a hook is told, through its environment, about the deployment it runs for.
type Deployment struct {
	ID, GroupID, GroupName, ApplicationName string
	// Bundle holds the BUNDLE_* variables of the revision's source; unknown ones are absent rather than empty.
	Bundle map[string]string
	// Host holds variables about the host, which count as part of the agent's own environment.
	Host map[string]string
}

// secrets are what the agent itself may be given and no hook must see. The first three are those the official agents
// remove; the others are theirs too, forgotten there.
var secrets = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CREDENTIAL_FILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_SHARED_CREDENTIALS_FILE", "CODEDEPLOY_GITHUB_TOKEN",
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
}

// loader are the variables by which the environment decides what code a program loads (official agent 2.x,
// strip_loader_env_in_hooks, and more of the kind).
var loader = []string{"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LD_DEBUG", "GCONV_PATH", "BASH_ENV", "ENV"}

// EnvironmentRules are the operator's switches about the environment of hooks.
type EnvironmentRules struct {
	// StripLoader removes the variables that inject code into programs (strip_loader_env_in_hooks).
	StripLoader bool
	// AllowlistOnly keeps nothing of the agent's environment but PATH, HOME and USER (restrict_hook_env_to_allowlist).
	AllowlistOnly bool
}

// Environment is the environment of the event's scripts: the agent's own (agentEnv, as os.Environ gives it) without its
// secrets, and what the official agents add.
func Environment(agentEnv []string, event string, d Deployment, rules EnvironmentRules) []string {
	set := map[string]string{
		"LIFECYCLE_EVENT":       event,
		"DEPLOYMENT_ID":         d.ID,
		"DEPLOYMENT_GROUP_ID":   d.GroupID,
		"DEPLOYMENT_GROUP_NAME": d.GroupName,
		"APPLICATION_NAME":      d.ApplicationName,
	}
	maps.Copy(set, d.Bundle)
	if !rules.AllowlistOnly {
		maps.Copy(set, d.Host)
	}
	var env []string
	for _, kv := range agentEnv {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || slices.Contains(secrets, name) || strings.HasPrefix(name, "AWS_CONTAINER_") {
			continue
		}
		if rules.StripLoader && slices.Contains(loader, name) {
			continue
		}
		if rules.AllowlistOnly && name != "PATH" && name != "HOME" && name != "USER" {
			continue
		}
		if _, ours := set[name]; ours {
			continue
		}
		env = append(env, kv)
	}
	for _, name := range sortedKeys(set) {
		env = append(env, name+"="+strings.ReplaceAll(set[name], "\x00", ""))
	}
	return env
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
