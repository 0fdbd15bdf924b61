package revision

import (
	"archive/tar"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// givesAway says whether this process is root, who may give files away. It stays who it is, and for each file to ask is a system call.
var givesAway = os.Geteuid() == 0

// owners finds out to whom the entries of a tar belong, as GNU tar does without --numeric-owner: by name where this host has a
// user or group of that name, else by number. Only root can give files away, so for others every owner is -1.
type owners struct {
	apply         bool
	users, groups map[string]int // names looked up so far; -1: unknown here
}

func newOwners(ignore bool) *owners {
	return &owners{apply: !ignore && givesAway, users: map[string]int{}, groups: map[string]int{}}
}

func (o *owners) of(h *tar.Header) (uid, gid int, err error) {
	if !o.apply {
		return -1, -1, nil
	}
	uid = find(o.users, h.Uname, h.Uid, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	gid = find(o.groups, h.Gname, h.Gid, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	if const32 := int64(1)<<32 - 2; uid < 0 || gid < 0 || int64(uid) > const32 || int64(gid) > const32 { // -1 means "leave as it is" to chown
		return 0, 0, fmt.Errorf("its owner %d:%d is out of range", uid, gid)
	}
	return uid, gid, nil
}

func find(known map[string]int, name string, number int, lookup func(string) (string, error)) int {
	if name == "" {
		return number
	}
	id, ok := known[name]
	if !ok {
		id = -1
		if text, err := lookup(name); err == nil {
			if n, err := strconv.Atoi(text); err == nil {
				id = n
			}
		}
		known[name] = id
	}
	if id < 0 {
		return number
	}
	return id
}
