//go:build unix

package custody

import (
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// private says of a group that nobody is in it but root and the agent's own user: the private group of a user, or one that the system has for
// later use, like Debian's staff. A group that is not in the host's files is not private.
func private(gid uint32) bool {
	if gid == 0 {
		return true
	}
	if runtime.GOOS == "darwin" {
		return false // the accounts are not in files there
	}
	groups, err := records("/etc/group")
	if err != nil {
		return false
	}
	users, err := records("/etc/passwd")
	if err != nil {
		return false
	}
	known := false
	var members []string
	for _, g := range groups {
		if len(g) > 3 && g[2] == strconv.Itoa(int(gid)) {
			known = true
			members = append(members, strings.FieldsFunc(g[3], func(r rune) bool { return r == ',' || r == ' ' })...)
		}
	}
	for _, u := range users {
		if len(u) < 4 || u[3] != strconv.Itoa(int(gid)) && !slices.Contains(members, u[0]) {
			continue
		}
		if uid, err := strconv.ParseUint(u[2], 10, 32); err != nil || !trusted(uint32(uid)) {
			return false
		}
		members = slices.DeleteFunc(members, func(name string) bool { return name == u[0] })
	}
	return known && len(members) == 0 // a member who is left is one of another database
}

// records reads one of the host's account files.
func records(path string) ([][]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for line := range strings.Lines(string(data)) {
		out = append(out, strings.Split(strings.TrimSpace(line), ":"))
	}
	return out, nil
}

func userName(uid uint32) string {
	id := strconv.Itoa(int(uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.Itoa(int(gid))
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
