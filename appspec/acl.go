package appspec

import (
	"errors"
	"fmt"
	"strings"
)

// ACL is an access control list to be set on files and directories.
type ACL struct {
	Entries []Entry
}

// Who says whom an Entry is about.
type Who string

// The types of entries. User and Group without a name mean the file's owner and group.
const (
	User  Who = "user"
	Group Who = "group"
	Mask  Who = "mask"
	Other Who = "other"
)

// Entry is one entry of an access control list.
type Entry struct {
	// Default entries are for directories: what will be made there gets them.
	Default bool
	Who     Who
	// Name is a user or group, by name or number; empty where the entry has none.
	Name string
	// Perm has the bits 4, 2 and 1 for read, write and execute.
	Perm uint8
}

// String returns the entry in the long form of setfacl(1).
func (e Entry) String() string {
	var b strings.Builder
	if e.Default {
		b.WriteString("default:")
	}
	b.WriteString(string(e.Who) + ":" + e.Name + ":")
	for i, c := range []byte("rwx") {
		if e.Perm&(4>>i) == 0 {
			c = '-'
		}
		b.WriteByte(c)
	}
	return b.String()
}

var (
	errEntryForm = errors.New("it is not [default:]type:name:permissions")
	errBaseEntry = errors.New("it would set the owner's, the group's or others' permissions, which come from the mode")
)

// parseEntry reads an entry with the grammar of both official agents: "[d[efault]:][type:]name:permissions", types by word or initial.
// Without a type it is a user; an initial may stand for a mask or others without the empty name.
func parseEntry(text string) (Entry, error) {
	parts := strings.Split(text, ":")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	var e Entry
	if len(parts) > 2 && (parts[0] == "d" || parts[0] == "default") {
		e.Default, parts = true, parts[1:]
	}
	switch len(parts) {
	case 2: // name and permissions, or a type that needs no name
		if who, ok := whoOf(parts[0]); ok && (who == Mask || who == Other) {
			e.Who = who
		} else {
			e.Who, e.Name = User, parts[0]
		}
	case 3:
		who, ok := whoOf(parts[0])
		if !ok {
			return e, fmt.Errorf("%q is not user, group, mask or other", parts[0])
		}
		e.Who, e.Name = who, parts[1]
	default:
		return e, errEntryForm
	}
	if e.Name != "" && (e.Who == Mask || e.Who == Other) {
		return e, fmt.Errorf("an entry for %s has no name", e.Who)
	}
	if strings.ContainsAny(e.Name, ",\t\n\x00") {
		return e, fmt.Errorf("%q is not a name", e.Name)
	}
	if !e.Default && (e.Who == Other || e.Name == "" && e.Who != Mask) {
		return e, errBaseEntry
	}
	var err error
	e.Perm, err = parsePermissions(parts[len(parts)-1])
	return e, err
}

func whoOf(word string) (Who, bool) {
	for _, w := range []Who{User, Group, Mask, Other} {
		if word == string(w) || word == string(w[:1]) {
			return w, true
		}
	}
	return "", false
}

func parsePermissions(text string) (uint8, error) {
	if len(text) == 1 && text[0] >= '0' && text[0] <= '7' {
		return text[0] - '0', nil
	}
	perm := uint8(0)
	for _, c := range text {
		switch c {
		case 'r':
			perm |= 4
		case 'w':
			perm |= 2
		case 'x':
			perm |= 1
		case '-':
		default:
			return 0, fmt.Errorf("its permissions have the character %q, which is not one of r, w, x and -", c)
		}
	}
	return perm, nil
}
