// Package config reads the agent's configuration file: every key of the official agents, in both spellings (":wait_between_runs:" and
// "wait_between_runs"), and our own.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"codedeploy-agent/agent/custody"
)

// Config is the agent's configuration. Default returns its defaults; the table in keys.go says what each setting means.
type Config struct {
	RootDir, LogDir, PidDir, StateDir string
	ProgramName                       string
	OngoingDeploymentTracking         string
	OnPremisesConfigFile              string

	WaitBetweenRuns      time.Duration
	HTTPReadTimeout      time.Duration
	KillAgentMaxWaitTime time.Duration
	MaxRevisions         int
	// MaxConcurrentCommands is how many host commands run at a time, each for another deployment group.
	MaxConcurrentCommands int
	// KeepStateOfImage uses what was recorded on another host, whose image this one was made from.
	KeepStateOfImage bool

	Verbose              bool
	LogFormat            string // "console" or "json"
	LogAWSWire           bool
	EnableDeploymentsLog bool
	SanitizeHookOutput   bool

	ProxyURI               string // empty: the proxy of the environment, if any
	NoProxy                []string
	CABundleFile           string
	DeployControlEndpoint  string
	S3EndpointOverride     string
	DeploymentSignerCAFile string
	EnableAuthPolicy       bool
	UseFIPSMode            bool
	DisableIMDSv1          bool

	EnableArchiveReuse bool
	DisableCoreDumps   bool
	// RequireProtectedFiles refuses files that the agent relies on if others can write them.
	RequireProtectedFiles bool
	// ArchiveMaxExtractionSize is in bytes; 0 means no limit of the operator's own.
	ArchiveMaxExtractionSize int64
	// ArchiveMaxEntries, ArchiveMaxRatio and ArchiveMaxDepth bound what a bundle may unpack to; 0 means no limit.
	ArchiveMaxEntries, ArchiveMaxRatio, ArchiveMaxDepth int

	RejectSymlinksInBundle          bool
	RejectPathTraversalInBundle     bool
	RejectUnsafePermissionsInBundle bool
	RejectUnconfinedSELinuxInBundle bool
	RejectSymlinkPermissionTargets  bool
	IgnoreOwnershipInBundle         bool
	FollowLinksOfOtherUsers         bool
	RestrictAgentDirPermissions     bool
	RestrictLogDirPermissions       bool
	StripLoaderEnvInHooks           bool
	RestrictHookEnvToAllowlist      bool
	DisablePowerShellProfileInHooks bool
}

// Problem is one thing that is wrong with a configuration file, or that has no effect.
type Problem struct {
	File string
	Line int // from 1; 0 when it is not about a line
	Key  string
	// Message says what is wrong and what is allowed.
	Message string
}

func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, p.Line)
	}
	if p.Key != "" {
		s += ": " + p.Key
	}
	return s + ": " + p.Message
}

// Error lists everything that is wrong with a configuration file.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	if len(lines) == 1 {
		return "cannot use the configuration: " + lines[0]
	}
	return fmt.Sprintf("cannot use the configuration: %d problems\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// Default returns the defaults, which are the official agents' where they have the setting.
func Default() *Config {
	c := &Config{}
	for _, k := range keys {
		if k.field == nil || k.value == "" {
			continue
		}
		if _, err := assign(c, &k, scalar(k.value)); err != nil {
			panic("default of " + k.name + ": " + err.Error()) // a mistake in the table, which every test run would meet
		}
	}
	c.complete()
	return c
}

// Load reads the file. An empty path means DefaultPath, which may be missing: then the defaults hold. A file that is named must be
// there. What is wrong with the file's content is told by an *Error, everything at once; the problems returned beside a
// configuration are warnings. A file that others than root and the agent's own user can write is refused.
func Load(path string) (*Config, []Problem, error) {
	named := path != ""
	if !named {
		path = DefaultPath()
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return Default(), nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	// Who can write it decides where the agent takes its commands from. No setting lets this pass: it would be in the same file.
	var wrong *custody.Error
	if errors.As(custody.Check(path), &wrong) {
		return nil, nil, fmt.Errorf("cannot use the configuration: %w", wrong)
	}
	return Parse(path, data)
}

// complete derives the settings that depend on others and makes paths absolute.
func (c *Config) complete() {
	for _, p := range []*string{&c.RootDir, &c.LogDir, &c.PidDir, &c.StateDir, &c.OnPremisesConfigFile, &c.CABundleFile, &c.DeploymentSignerCAFile} {
		if *p == "" {
			continue
		}
		if abs, err := filepath.Abs(*p); err == nil {
			*p = abs
		}
	}
	if c.StateDir == "" {
		c.StateDir = c.RootDir + ".state"
		if c.RootDir == filepath.Clean(defaultRootDir) {
			c.StateDir = defaultStateDir
		}
	}
	c.NoProxy = slices.DeleteFunc(c.NoProxy, func(s string) bool { return s == "" })
}
