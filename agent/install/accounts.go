package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"
)

var errUnknownAccount = errors.New("no such account")

// accounts looks up users and groups, each once. The zero value is ready.
type accounts struct {
	users, groups map[string]account
}

type account struct {
	id  int
	err error
}

// user returns a user's id; the name may be a number that no user has as a name.
func (a *accounts) user(ctx context.Context, name string) (int, error) {
	return lookup(ctx, &a.users, "passwd", name, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// group returns a group's id; the name may be a number that no group has as a name.
func (a *accounts) group(ctx context.Context, name string) (int, error) {
	return lookup(ctx, &a.groups, "group", name, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func lookup(ctx context.Context, known *map[string]account, database, name string, local func() (string, error)) (int, error) {
	if a, ok := (*known)[name]; ok {
		return a.id, a.err
	}
	id, err := find(ctx, database, name, local)
	if ctx.Err() != nil {
		return noID, ctx.Err()
	}
	if *known == nil {
		*known = map[string]account{}
	}
	(*known)[name] = account{id, err}
	return id, err
}

func find(ctx context.Context, database, name string, local func() (string, error)) (int, error) {
	if text, err := local(); err == nil {
		return parseID(text)
	}
	// Without cgo os/user reads /etc/passwd and /etc/group only; getent also asks the directory services of the host.
	id, err := getent(ctx, database, name)
	if err == nil || ctx.Err() != nil {
		return id, err
	}
	if id, numeric := parseID(name); numeric == nil {
		return id, nil
	}
	return noID, err
}

// parseID reads an id. The highest 32-bit number means "unchanged" to the kernel and is not one.
func parseID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 1<<32-1 {
		return noID, fmt.Errorf("%q is not an id", text)
	}
	return int(n), nil
}

// getent asks the name service for an entry. A host without getent has no directory service.
func getent(ctx context.Context, database, name string) (int, error) {
	path, err := exec.LookPath("getent")
	if err != nil {
		return noID, errUnknownAccount
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, database, "--", name)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return noID, fmt.Errorf("getent %s did not answer in time", database)
	}
	fields := strings.Split(string(bytes.TrimSpace(out)), ":")
	// getent takes a number for an id and finds the account with that id; what is no number can have another spelling in the answer, as
	// names of domains have.
	if _, number := parseID(name); err != nil || len(fields) < 3 || fields[0] != name && (number == nil || fields[0] == "") {
		return noID, errUnknownAccount
	}
	return parseID(fields[2])
}
