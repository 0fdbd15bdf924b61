// Package image is what an image of a host's disk means for the agent: whose state it finds there, and how to leave none of it.
package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/durable"
	"codedeploy-agent/appspec/expression"
	"codedeploy-agent/hooks/faultpoint"
)

// Host is a host as its state remembers it.
type Host struct {
	// Identifier is the host identifier, an ARN.
	Identifier string `json:"host_identifier"`
	// MachineID is the content of /etc/machine-id, empty where there is none.
	MachineID string `json:"machine_id,omitempty"`
}

// ThisHost is the host that the agent runs on.
func ThisHost(identifier string) Host {
	id, _ := os.ReadFile("/etc/machine-id") // none on other systems
	return Host{Identifier: identifier, MachineID: strings.TrimSpace(string(id))}
}

const (
	recordName = "host"      // in state_dir: the Host whose state this is
	asideName  = "set-aside" // in state_dir: what was of another host
)

// kept are the entries of state_dir that belong to no host: locks, which may be held, and what this package has.
var kept = []string{"agent.lock", "groups", recordName, asideName, filepath.Base(durable.Temporary(recordName))}

// instance is the identifier of an EC2 instance, which no other machine has.
var instance = expression.Lazy{Text: `^arn:[^:]+:ec2:[^:]*:[^:]*:instance/.+$`}

// another says whether the hosts are two machines. An instance never gets another identifier. A host on premises may be registered again
// under another one; then its machine-id tells, and if there is none it is the same host.
func (h Host) another(than Host) bool {
	switch {
	case h.Identifier == than.Identifier:
		return false
	case instance.MatchString(h.Identifier) && instance.MatchString(than.Identifier):
		return true
	}
	return h.MachineID != "" && than.MachineID != "" && h.MachineID != than.MachineID
}

// Claim makes the state that the configuration names this host's. Where it was recorded on another host, as on an instance that was made
// from the image of one, everything that the agent has of that host is set aside: owed results, what is installed, revisions, history. It
// is not used any more. State without a record is this host's: an official agent left it. No agent may use the state meanwhile, but for one that
// waits to learn who it is. A claim that was cut off is completed by the next one.
func Claim(c *config.Config, h Host, log *zap.Logger) error {
	path := filepath.Join(c.StateDir, recordName)
	var was Host
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return record(path, h)
	case err != nil:
		return fmt.Errorf("cannot learn whose state this is: %w", err)
	}
	if err := json.Unmarshal(text, &was); err != nil || was.Identifier == "" {
		log.Warn("cannot read on which host the state was recorded; it is taken for this host's", zap.String("file", path))
		return record(path, h)
	}
	if was == h {
		return nil
	}
	if was.another(h) {
		if c.KeepStateOfImage {
			log.Warn("the state was recorded on another host and is kept (keep_state_of_image)", zap.String("host", was.Identifier))
		} else if err := setAside(c, was, log); err != nil {
			return fmt.Errorf("cannot set aside what another host (%s) has left: %w", was.Identifier, err)
		}
	} else if was.Identifier != h.Identifier {
		log.Info("this host has got another identifier; its state stays", zap.String("before", was.Identifier))
	}
	return record(path, h)
}

func record(path string, h Host) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot record whose state this is: %w", err)
	}
	return nil
}

// setAside moves what is of another host below state_dir. Only the latest such host's is kept there.
func setAside(c *config.Config, was Host, log *zap.Logger) error {
	aside := filepath.Join(c.StateDir, asideName)
	mine := filepath.Join(aside, asFileName(was.Identifier))
	older, err := os.ReadDir(aside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range older {
		if path := filepath.Join(aside, e.Name()); path != mine {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	moved := 0
	for _, part := range []struct{ from, to string }{{c.RootDir, "root"}, {c.StateDir, "state"}} {
		names, err := hostsOwn(c, part.from)
		if err != nil {
			return err
		}
		to := filepath.Join(mine, part.to)
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
		for _, name := range names {
			if err := errors.Join(faultpoint.At("set aside "+part.to), move(filepath.Join(part.from, name), filepath.Join(to, name))); err != nil {
				return err
			}
			moved++
		}
		for _, dir := range []string{to, part.from} {
			if err := durable.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	log.Warn("the state was recorded on another host, from which this one's image was made; it is set aside and not used. The folder can be removed",
		zap.String("host", was.Identifier), zap.Int("entries", moved), zap.String("folder", mine))
	return nil
}

// hostsOwn are the entries of root_dir or state_dir that are of the host and not of the installation.
func hostsOwn(c *config.Config, dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		inside := func(other string) bool {
			return other == path || strings.HasPrefix(other, path+string(filepath.Separator))
		}
		if inside(c.PidDir) || inside(c.StateDir) || inside(c.RootDir) || inside(c.LogDir) || dir == c.StateDir && slices.Contains(kept, e.Name()) {
			continue
		}
		names = append(names, e.Name())
	}
	return names, nil
}

// move moves an entry, or removes it where it would have to be moved to another file system.
func move(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if crossesDevices(err) {
		return os.RemoveAll(from)
	}
	return err
}

// asFileName is an identifier as the name of a file.
func asFileName(identifier string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, identifier[max(0, len(identifier)-100):])
}
