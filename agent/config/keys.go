package config

import (
	"math"
	"net/url"
	"path/filepath"
	"strings"
)

// key is one setting. The table of keys is the only place where a setting's name, type, default, range and meaning stand.
type key struct {
	name string
	// field returns the Config's field: *string, *bool, *int, *int64, *time.Duration or *[]string. It is nil for a key without effect.
	field func(*Config) any
	value string // the default as the file would have it; "" for none
	// min and max bound numbers, durations in seconds; both are 0 for other types. A duration above max is cut to cap if that is set.
	min, max, cap int64
	choices       []string
	check         func(string) string // says why a text cannot be used, "" if it can
	secret        bool                // the value may hold a password and is never shown
	about         string
}

const year = 365 * 24 * 3600

// group is a part of the documentation.
type group struct {
	title string
	keys  []key
}

var groups = []group{
	{"Places", []key{
		{name: "root_dir", field: func(c *Config) any { return &c.RootDir }, value: defaultRootDir, about: "the deployment root: revisions, and what each deployment group has installed"},
		{name: "log_dir", field: func(c *Config) any { return &c.LogDir }, value: defaultLogDir, about: "the agent's log"},
		{name: "pid_dir", field: func(c *Config) any { return &c.PidDir }, value: defaultPidDir, about: "the file with the process id"},
		{name: "state_dir", field: func(c *Config) any { return &c.StateDir },
			about: "the agent's own state: results that were not accepted yet, locks. Default: " + defaultStateDir + ", or root_dir with \".state\" appended if root_dir is set"},
		{name: "program_name", field: func(c *Config) any { return &c.ProgramName }, value: "codedeploy-agent", check: component, about: "the names of the log files begin with it"},
		{name: "ongoing_deployment_tracking", field: func(c *Config) any { return &c.OngoingDeploymentTracking }, value: "ongoing-deployment", check: component,
			about: "directory in root_dir that has a file for each deployment under way, for other tools"},
		{name: "on_premises_config_file", field: func(c *Config) any { return &c.OnPremisesConfigFile }, value: defaultOnPremises,
			about: "who an on-premises host is; where the file is missing the host is an EC2 instance"},
		{name: "keep_state_of_image", field: func(c *Config) any { return &c.KeepStateOfImage }, value: "false",
			about: "an instance that was made from the image of another one uses what the agent has recorded there: the first deployment runs the ApplicationStop of the revision in the image and removes its files, as the official agents do; false sets all of it aside"},
	}},
	{"Polling and commands", []key{
		{name: "wait_between_runs", field: func(c *Config) any { return &c.WaitBetweenRuns }, value: "30", max: year,
			about: "seconds between polls while nothing is deployed here, give or take a tenth; below 1 it is 1. While a deployment is under way the agent polls every second"},
		{name: "max_concurrent_commands", field: func(c *Config) any { return &c.MaxConcurrentCommands }, value: "16", min: 1, max: 64,
			about: "host commands at a time, one for each deployment group"},
		{name: "max_revisions", field: func(c *Config) any { return &c.MaxRevisions }, value: "5", min: 0, max: math.MaxInt32,
			about: "revisions that a deployment group keeps in root_dir; the last one that was installed is kept besides"},
		{name: "http_read_timeout", field: func(c *Config) any { return &c.HTTPReadTimeout }, value: "80", min: 1, max: year, about: "seconds that an answer of the service may take"},
		{name: "kill_agent_max_wait_time_seconds", field: func(c *Config) any { return &c.KillAgentMaxWaitTime }, value: "7200", max: math.MaxInt32, cap: 86400,
			about: "seconds that a stop waits for running lifecycle events; more than a day counts as a day"},
	}},
	{"Logs", []key{
		{name: "verbose", field: func(c *Config) any { return &c.Verbose }, value: "false", about: "log more"},
		{name: "log_format", field: func(c *Config) any { return &c.LogFormat }, value: "console", choices: []string{"console", "json"}, about: "lines for people or JSON for machines"},
		{name: "log_aws_wire", field: func(c *Config) any { return &c.LogAWSWire }, value: "false", about: "log each request for a bundle, without bodies and secrets"},
		{name: "enable_deployments_log", field: func(c *Config) any { return &c.EnableDeploymentsLog }, value: "true",
			about: "write the output of all hooks of all deployments to one log in root_dir"},
		{name: "sanitize_hook_output", field: func(c *Config) any { return &c.SanitizeHookOutput }, value: "true",
			about: "leave the control sequences of terminals (colours, cursor movements) out of what hooks print, show other control characters as \\r or \\x00, and let a carriage return end a line, so that no output can pass for another line of the log; false logs it as it comes"},
	}},
	{"Network", []key{
		{name: "proxy_uri", field: func(c *Config) any { return &c.ProxyURI }, check: proxyAddress, secret: true,
			about: "proxy for the service, S3 and GitHub, never for instance metadata. Without it HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment hold"},
		{name: "no_proxy", field: func(c *Config) any { return &c.NoProxy }, about: "hosts, domains and networks that are reached without proxy_uri: a list, or a text with commas"},
		{name: "ca_bundle_file", field: func(c *Config) any { return &c.CABundleFile },
			about: "PEM file with certificate authorities to trust beside the system's. AWS_CA_BUNDLE, AWS_SSL_CA_BUNDLE and the directory AWS_SSL_CA_DIRECTORY are read too"},
		{name: "deploy_control_endpoint", field: func(c *Config) any { return &c.DeployControlEndpoint }, check: address, about: "address of the command service instead of the region's, for example a VPC endpoint"},
		{name: "s3_endpoint_override", field: func(c *Config) any { return &c.S3EndpointOverride }, check: address, about: "address of S3 instead of the region's"},
		{name: "enable_auth_policy", field: func(c *Config) any { return &c.EnableAuthPolicy }, value: "false", about: "use the service's secure endpoint, for which the instance's role needs permissions"},
		{name: "use_fips_mode", field: func(c *Config) any { return &c.UseFIPSMode }, value: "false", about: "use FIPS endpoints (US regions)"},
		{name: "disable_imds_v1", field: func(c *Config) any { return &c.DisableIMDSv1 }, value: "false", about: "never ask instance metadata without a token"},
	}},
	{"Bundles", []key{
		{name: "enable_archive_reuse", field: func(c *Config) any { return &c.EnableArchiveReuse }, value: "true", about: "take the revision from an earlier deployment on this host where the service says so"},
		{name: "archive_max_extraction_size", field: func(c *Config) any { return &c.ArchiveMaxExtractionSize },
			about: "most bytes that a bundle may have when it is unpacked, a number or one with KB, MB, GB, TB, KiB, MiB, GiB or TiB"},
		{name: "archive_max_entries", field: func(c *Config) any { return &c.ArchiveMaxEntries }, value: "1000000", max: math.MaxInt32,
			about: "most files, directories and links that a bundle may have; 0 is no limit"},
		{name: "archive_max_ratio", field: func(c *Config) any { return &c.ArchiveMaxRatio }, value: "1000", max: math.MaxInt32,
			about: "most times its own size that a bundle may have when it is unpacked, looked at from 64 MiB on; 0 is no limit"},
		{name: "archive_max_depth", field: func(c *Config) any { return &c.ArchiveMaxDepth }, value: "512", max: math.MaxInt32,
			about: "most directories that a file of a bundle may lie deep; 0 is no limit"},
		{name: "reject_symlinks_in_bundle", field: func(c *Config) any { return &c.RejectSymlinksInBundle }, value: "false", about: "refuse bundles with symbolic or hard links"},
		{name: "reject_path_traversal_in_bundle", field: func(c *Config) any { return &c.RejectPathTraversalInBundle }, value: "false",
			about: "refuse destinations that climb above the root directory by \"..\", and absolute names in bundles, which are else made relative. What leaves the bundle is refused always"},
		{name: "reject_unsafe_permissions_in_bundle", field: func(c *Config) any { return &c.RejectUnsafePermissionsInBundle }, value: "false", about: "refuse set-user-id and set-group-id modes"},
		{name: "reject_unconfined_selinux_in_bundle", field: func(c *Config) any { return &c.RejectUnconfinedSELinuxInBundle }, value: "false",
			about: "refuse the SELinux types unconfined_t, kernel_t and init_t"},
		{name: "reject_symlink_permission_targets", field: func(c *Config) any { return &c.RejectSymlinkPermissionTargets }, value: "false",
			about: "refuse permissions on symbolic links, which would change what the link leads to"},
		{name: "ignore_ownership_in_bundle", field: func(c *Config) any { return &c.IgnoreOwnershipInBundle }, value: "false", about: "give unpacked files to the agent's user, whatever a tar says"},
		{name: "follow_links_of_other_users", field: func(c *Config) any { return &c.FollowLinksOfOtherUsers }, value: "false",
			about: "install, change and clean up through symbolic links of the host also where another user may change the link and it leads to what is not that user's, as the official agents do"},
	}},
	{"Security", []key{
		{name: "deployment_signer_ca_file", field: func(c *Config) any { return &c.DeploymentSignerCAFile },
			about: "PEM file with the certificate authorities that may have signed a deployment specification. Without it any signer is accepted and logged, as by the official agents. Never put a public authority here"},
		{name: "require_protected_files", field: func(c *Config) any { return &c.RequireProtectedFiles }, value: "true",
			about: "refuse an on-premises or credentials file, certificate authorities, and the record of what is installed, if users other than root and the agent's own can write or replace them; false only warns. The configuration file itself is always refused then"},
		{name: "restrict_agent_dir_permissions", field: func(c *Config) any { return &c.RestrictAgentDirPermissions }, value: "false", about: "other users can go through root_dir and the revisions in it, which hooks need (0711), but not list them nor read bundles, lists and pointers (0600); logs are for the agent's group, too (0640). Directories from before are changed when they are used next"},
		{name: "restrict_log_dir_permissions", field: func(c *Config) any { return &c.RestrictLogDirPermissions }, value: "false", about: "log_dir is for the agent's user and group only"},
		{name: "strip_loader_env_in_hooks", field: func(c *Config) any { return &c.StripLoaderEnvInHooks }, value: "false", about: "take LD_PRELOAD and its like out of the environment of hooks"},
		{name: "restrict_hook_env_to_allowlist", field: func(c *Config) any { return &c.RestrictHookEnvToAllowlist }, value: "false",
			about: "hooks get PATH, HOME, USER and what describes the deployment, nothing else of the agent's environment"},
		{name: "disable_powershell_profile_in_hooks", field: func(c *Config) any { return &c.DisablePowerShellProfileInHooks }, value: "false", about: "run PowerShell hooks without profiles (Windows)"},
		{name: "disable_core_dumps", field: func(c *Config) any { return &c.DisableCoreDumps }, value: "true", about: "the agent leaves no core dumps; hooks and what they start are not affected"},
	}},
	{"Without effect", []key{
		{name: "wait_after_error", about: "the pause after failed polls grows from one to 90 seconds by itself"},
		{name: "enable_command_port", about: "there is no command port"},
		{name: "children", about: "retired"}, {name: "wait_between_spawning_children", about: "retired"}, {name: "shared_dir", about: "retired"},
		{name: "user", about: "retired: run the service as that user"}, {name: "group", about: "retired: run the service as that group"},
		{name: "instance_service_region", about: "retired"}, {name: "instance_service_endpoint", about: "retired"}, {name: "instance_service_port", about: "retired"},
		{name: "codedeploy_test_profile", about: "retired"}, {name: "ssl_verify_peer", about: "retired: certificates are always verified; see ca_bundle_file"},
	}},
}

var keys = func() (all []key) {
	for _, g := range groups {
		all = append(all, g.keys...)
	}
	return all
}()

func names() []string {
	out := make([]string, 0, len(keys))
	for _, k := range keys {
		out = append(out, k.name)
	}
	return out
}

// component refuses what is not a single name of a file.
func component(s string) string {
	if s == "." || s == ".." || s != filepath.Base(s) || strings.ContainsAny(s, "/\\\x00\n") {
		return "it must be a name without directories"
	}
	return ""
}

func address(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return "it must be an address such as https://host"
	case u.Scheme != "https" && u.Scheme != "http":
		return "it must begin with https:// or http://"
	case u.User != nil:
		return "it must not have a user or password"
	}
	return ""
}

func proxyAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return "it must be an address such as http://proxy:3128"
	}
	return ""
}
