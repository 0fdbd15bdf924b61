package dryrun

import (
	"fmt"
	"os/user"
	"strconv"
	"syscall"
)

// serviceUser is the user of a service; nil is root.
type serviceUser struct {
	name, home string
	credential *syscall.Credential
}

func (s *serviceUser) environment() []string {
	if s == nil {
		return nil
	}
	return []string{"HOME=" + s.home, "USER=" + s.name, "LOGNAME=" + s.name, "SHELL=/bin/sh"}
}

func (u *unit) credential() (*serviceUser, error) {
	name, groupName := u.get("User", ""), u.get("Group", "")
	if name == "" && groupName == "" {
		return nil, nil
	}
	if name == "" {
		name = "root"
	}
	who, err := user.Lookup(name)
	if err != nil {
		if who, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("there is no user %s (User=)", name)
		}
	}
	gid := who.Gid
	if groupName != "" {
		group, err := user.LookupGroup(groupName)
		if err != nil {
			if group, err = user.LookupGroupId(groupName); err != nil {
				return nil, fmt.Errorf("there is no group %s (Group=)", groupName)
			}
		}
		gid = group.Gid
	}
	s := &serviceUser{name: who.Username, home: who.HomeDir, credential: &syscall.Credential{Uid: number(who.Uid), Gid: number(gid)}}
	ids, _ := who.GroupIds()
	for _, id := range ids {
		s.credential.Groups = append(s.credential.Groups, number(id))
	}
	return s, nil
}

func number(id string) uint32 {
	n, _ := strconv.ParseUint(id, 10, 32)
	return uint32(n)
}
