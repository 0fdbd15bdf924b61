package dryrun

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/install"
)

// The extended attributes that have an action of their own.
const (
	aclAccess    = "system.posix_acl_access"
	aclDefault   = "system.posix_acl_default"
	selinux      = "security.selinux"
	capabilityOf = "security.capability"
)

// ignored are extended attributes that are the overlay's, or that the kernel keeps up to date by itself.
var ignored = []string{"trusted.overlay.", "user.overlay.", "security.ima", "security.evm"}

// attributes compares modes, owners and extended attributes. As an ordinary user everything belongs to the view's root, so owners tell
// nothing there.
func (d *differ) attributes(name string, info, was fs.FileInfo) {
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if a, b := info.Mode()&bits, was.Mode()&bits; a != b {
		d.add(name, install.Mode, info, "%s instead of %s", octal(a), octal(b))
	}
	if !d.v.settings.User {
		uid, gid, _ := ownerOf(info)
		if u, g, _ := ownerOf(was); u != uid || g != gid {
			d.add(name, install.Owner, info, "%s instead of %s", names(uid, gid), names(u, g))
		}
	}
	before := map[string]string{}
	if d.layer.lower != nil {
		before = extended(in(d.layer.lower, name))
	}
	after := extended(in(d.layer.upper, name))
	if d.layer.flat || d.v.settings.User && foreign(was) {
		// What the view has is a copy that lacks them, which is not the program's doing.
		maps.DeleteFunc(before, func(key, _ string) bool { _, has := after[key]; return !has })
	}
	d.compare(name, after, before)
}

// created tells of the extended attributes of something new. Its context is the business of the policy unless it is not the directory's.
func (d *differ) created(name string) {
	after := extended(in(d.layer.upper, name))
	if label := after[selinux]; label != "" && label == extended(in(d.layer.upper, path.Dir(name)))[selinux] {
		delete(after, selinux)
	}
	d.compare(name, after, nil)
}

func (d *differ) compare(name string, after, before map[string]string) {
	action := func(key string) install.Action {
		switch key {
		case aclAccess, aclDefault:
			return install.ACL
		case selinux:
			return install.Context
		case capabilityOf:
			return install.Capabilities
		}
		return install.Attribute
	}
	all := maps.Clone(after)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, before)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		is, has := after[key]
		was, had := before[key]
		if is == was && has == had {
			continue
		}
		text := "none"
		if has {
			text = showAttribute(key, is)
		}
		if had {
			text += " instead of " + showAttribute(key, was)
		}
		d.add(name, action(key), nil, "%s", text)
	}
}

// extended are the extended attributes of something, by their names.
func extended(path string) map[string]string {
	buf := make([]byte, 1<<10)
	n, err := unix.Llistxattr(path, buf)
	if err == unix.ERANGE {
		buf = make([]byte, 64<<10) // the kernel's limit
		n, err = unix.Llistxattr(path, buf)
	}
	if err != nil || n == 0 {
		return nil
	}
	all := map[string]string{}
	for key := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if slices.ContainsFunc(ignored, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			continue
		}
		value := make([]byte, 64<<10)
		if n, err := unix.Lgetxattr(path, key, value); err == nil {
			all[key] = string(value[:n])
		}
	}
	return all
}

// showAttribute is an extended attribute as people write it.
func showAttribute(key, value string) string {
	switch key {
	case aclAccess, aclDefault:
		if list, ok := parseACL(value); ok {
			return list.text(key == aclDefault)
		}
	case selinux:
		return strings.TrimRight(value, "\x00")
	case capabilityOf:
		if text, ok := showCapabilities(value); ok {
			return text
		}
	}
	const longest = 60
	if len(value) > longest {
		return fmt.Sprintf("%s=%q…", key, value[:longest])
	}
	return fmt.Sprintf("%s=%q", key, value)
}

// capabilityNames are the capabilities in the order of their numbers (linux/capability.h), without "cap_".
var capabilityNames = strings.Fields("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
	"net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice " +
	"sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm " +
	"block_suspend audit_read perfmon bpf checkpoint_restore")

// showCapabilities is a file's capabilities as getcap prints them. They are a word with the revision and the flag of what is effective, and
// then for each 32 capabilities a word of the permitted and one of the inheritable (capabilities(7)).
func showCapabilities(value string) (string, bool) {
	word := func(n int) uint32 {
		b := value[4*n:]
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	if len(value) < 12 {
		return "", false
	}
	const effective = 1
	flags := map[string][]string{}
	for n := range capabilityNames {
		at := 1 + 2*(n/32)
		if len(value) < 4*(at+2) {
			break
		}
		how := ""
		permitted, inheritable := word(at)>>(n%32)&1 != 0, word(at+1)>>(n%32)&1 != 0
		if word(0)&effective != 0 && (permitted || inheritable) {
			how += "e"
		}
		if inheritable {
			how += "i"
		}
		if permitted {
			how += "p"
		}
		if how != "" {
			flags[how] = append(flags[how], "cap_"+capabilityNames[n])
		}
	}
	var b bytes.Buffer
	for _, how := range slices.Sorted(maps.Keys(flags)) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.Join(flags[how], ",") + "=" + how)
	}
	return b.String(), b.Len() > 0
}
