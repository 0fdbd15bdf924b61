package hooks

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
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

// secrets are the variables in which a process can be given credentials, and no hook must see the agent's: the official agents' three, and those
// that are forgotten there. Variables that name a file or a profile (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_PROFILE,
// AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN) are not among them: they give nothing to a user who may not read the file, and an operator sets them
// for the hooks, because the agent itself does not use them.
var secrets = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CREDENTIAL_FILE",
	"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ACCESS_KEY", "AWS_SECRET_KEY",
	"AMAZON_ACCESS_KEY_ID", "AMAZON_SECRET_ACCESS_KEY", "AMAZON_SESSION_TOKEN", // the SDK for Ruby reads these, too
	"CODEDEPLOY_GITHUB_TOKEN",
}

// sockets are what a service manager tells the service's main process and nobody else.
var sockets = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}

// SecretVariable says of a variable of the environment that its value is a credential, or gives credentials to whoever knows it.
func SecretVariable(name string) bool {
	return isOneOf(name, secrets) || len(name) > len(containers) && sameName(name[:len(containers)], containers)
}

// containers begins the variables of the service that gives containers their credentials.
const containers = "AWS_CONTAINER_"

func isOneOf(name string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return sameName(n, name) })
}

// sameName compares names of variables as the system does.
func sameName(a, b string) bool {
	if runtime.GOOS == "windows" {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// loader are the variables by which the environment decides what code a program loads (official agent 2.x,
// strip_loader_env_in_hooks, and more of the kind).
var loader = []string{"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LD_DEBUG", "GCONV_PATH", "BASH_ENV", "ENV"}

// allowed are the variables of the agent that hooks keep with restrict_hook_env_to_allowlist (official agent 2.x).
var allowed = func() []string {
	if runtime.GOOS == "windows" { // without these hardly any program starts there
		return []string{"PATH", "SystemRoot", "COMSPEC", "PATHEXT", "TEMP", "TMP", "windir"}
	}
	return []string{"PATH", "HOME", "USER"}
}()

// EnvironmentRules are the operator's switches about the environment of hooks.
type EnvironmentRules struct {
	// StripLoader removes the variables that inject code into programs (strip_loader_env_in_hooks).
	StripLoader bool
	// AllowlistOnly keeps nothing of the agent's environment but PATH, HOME and USER, on Windows what programs need there
	// (restrict_hook_env_to_allowlist).
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
		if !ok || SecretVariable(name) || isOneOf(name, sockets) {
			continue
		}
		if rules.StripLoader && isOneOf(name, loader) {
			continue
		}
		if rules.AllowlistOnly && !isOneOf(name, allowed) {
			continue
		}
		if _, ours := set[name]; ours {
			continue
		}
		if sameName(name, "PATH") {
			kv = name + "=" + programPath(kv[len(name)+1:], rules.StripLoader || rules.AllowlistOnly)
		}
		env = append(env, kv)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+strings.ReplaceAll(set[name], "\x00", ""))
	}
	return env
}

// programPath is a PATH without entries that are no full path: an empty one and "." are whatever directory a script has gone to. strict leaves
// out, too, directories in which everybody can put a program.
func programPath(path string, strict bool) string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(path), func(dir string) bool {
		if !filepath.IsAbs(dir) {
			return true
		}
		info, err := os.Stat(dir)
		return strict && runtime.GOOS != "windows" && err == nil && info.Mode().Perm()&0o002 != 0
	}), string(filepath.ListSeparator))
}
