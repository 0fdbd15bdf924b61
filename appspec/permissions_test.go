package appspec

import (
	"fmt"
	"strings"
	"testing"
)

// The grammars of both official agents: 1.8 leaves out types and names, release 2 wants all parts.
func TestACLEntries(t *testing.T) {
	for text, want := range map[string]string{
		"bob:rwx": "user:bob:rwx", "u:bob:rwx": "user:bob:rwx", "user:bob:rwx": "user:bob:rwx", "g:wheel:r-x": "group:wheel:r-x", "group:wheel:5": "group:wheel:r-x",
		"m:rwx": "mask::rwx", "mask:6": "mask::rw-", "m::r": "mask::r--", "u:1000:7": "user:1000:rwx", "1000:7": "user:1000:rwx",
		"u:bob:": "user:bob:---", "u:bob:0": "user:bob:---", "u:bob:---": "user:bob:---", "u:bob:xwr": "user:bob:rwx", "u:bob:rrr": "user:bob:r--", " u : bob : rwx ": "user:bob:rwx",
		"d:bob:rwx": "default:user:bob:rwx", "default:bob:rwx": "default:user:bob:rwx", "d:m:rwx": "default:mask::rwx", "d:o:r": "default:other::r--",
		"d::rwx": "default:user::rwx", "d:u::rwx": "default:user::rwx", "d:g::rx": "default:group::r-x", "d:o::r": "default:other::r--", "d:m::7": "default:mask::rwx",
		"d:u:bob:rwx": "default:user:bob:rwx", "default:group:wheel:rwx": "default:group:wheel:rwx", "u:u:r": "user:u:r--", "u:domain users:r": "user:domain users:r--",
	} {
		a := parse(t, head+"permissions:\n  - object: /a\n    acls: ["+fmt.Sprintf("%q", text)+"]\n")
		if got := a.Permissions[0].ACL.Entries[0].String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"rwx": "it is not", "a:b:c:d:e": "it is not", "x:bob:r": `"x" is not user`, "x:u:bob:r": "it is not", "d:d:bob:r": `"d" is not user`, "d:d:u:r": `"d" is not user`,
		"u::rwx": "come from the mode", ":rwx": "come from the mode", "g::r": "come from the mode", "o::r": "come from the mode", "o:r": "come from the mode",
		"other::r": "come from the mode", "m:bob:r": "mask has no name", "o:bob:r": "other has no name", "d:o:bob:r": "other has no name",
		"u:bob:8": "'8'", "u:bob:07": "'0'", "u:bob:rwz": "'z'", "u:bob:RWX": "'R'", "u:a,b:r": "is not a name", "": "is empty",
	} {
		if why := parseError(t, head+"permissions:\n  - object: /a\n    acls: ["+fmt.Sprintf("%q", text)+"]\n"); !strings.Contains(why, want) || !strings.Contains(why, ":5: ") {
			t.Errorf("%s: %s", text, why)
		}
	}
	for text, want := range map[string]string{
		"u:bob:rwx": "acls is no list", "{u: bob}": "acls is no list", "[{u: bob}]": "an acl entry is no text", "[[u]]": "an acl entry is no text", "[~]": "is empty",
		"true": "acls is no list", "no": "acls is no list",
	} {
		if why := parseError(t, head+"permissions:\n  - object: /a\n    acls: "+text+"\n"); !strings.Contains(why, want) || strings.Contains(why, "\n") {
			t.Errorf("%s: %s", text, why)
		}
	}
}

func TestContexts(t *testing.T) {
	for text, want := range map[string]string{
		"s0": "s0", "s0-s0": "s0", "s0-s15": "s0-s15", "s007": "s7", "s300": "s300", "s70000": "s70000", "s0:c1": "s0:c1", "s0:c1,c2,c3": "s0:c1.c3", "s0:c3,c1": "s0:c1,c3",
		"s0-s3:c0.c1023": "s0-s3:c0.c1023", "s0:c5.c5": "s0:c5", "s0:c1,": "s0:c1", "s0:c07": "s0:c7", "": "",
	} {
		a := parse(t, head+"permissions:\n  - object: /a\n    context:\n      type: t\n      range: "+text+"\n")
		if got := *a.Permissions[0].Context; got != (Context{Type: "t", Range: want}) {
			t.Errorf("%q is %+v", text, got)
		}
	}
	for _, text := range []string{"''", "0", "s", "s0-", "s0-s1-s2", "-s1", "s1-s0", "'s0:'", "s0:,", "s0:1", "s0:c", "s0:c1,,c2", "s0:c1.c2.c3", "s0:c2.c1", "s0:c1,c1", "s0:c1024", "s0:c1.c3,c2", "S0", "s0 - s1", "'s0:c1 ,c2'", "s-1", "s99999999999999"} {
		why := parseError(t, head+"permissions:\n  - object: /a\n    context:\n      type: t\n      range: "+text+"\n")
		if !strings.Contains(why, ":7: cannot use the range ") || strings.Contains(why, "\n") {
			t.Errorf("%s: %s", text, why)
		}
	}
	for text, want := range map[string]string{
		"{name: u}": "a context has no type", "{type: ''}": "a context has no type", "{type: [a]}": "type is no text but a list", "{type: t, range: [s0]}": "range is no text but a list", "true": "is no mapping",
	} {
		if why := parseError(t, head+"permissions:\n  - object: /a\n    context: "+text+"\n"); !strings.Contains(why, want) || strings.Contains(why, "\n") {
			t.Errorf("%s: %s", text, why)
		}
	}
	if a := parse(t, head+"permissions:\n  - object: /a\n    context:\n"); a.Permissions[0].Context != nil {
		t.Errorf("%+v", a.Permissions[0].Context)
	}
}

func TestTypesAndExcept(t *testing.T) {
	for text, want := range map[string][2]bool{"[file]": {true, false}, "[directory]": {false, true}, "[directory, file, file]": {true, true}, "\n      - file": {true, false}, "\n    - 'file '": {true, false}} {
		if p := parse(t, head+"permissions:\n  - object: /a\n    type: "+text+"\n").Permissions[0]; p.Files != want[0] || p.Directories != want[1] {
			t.Errorf("%s is %+v", text, p)
		}
	}
	for text, want := range map[string]string{"file": "type is no list", "[File]": `"File" is not supported`, "[~]": `"" is not supported`, "{file: ~}": "type is no list"} {
		if why := parseError(t, head+"permissions:\n  - object: /a\n    type: "+text+"\n"); !strings.Contains(why, want) {
			t.Errorf("%s: %s", text, why)
		}
	}
	p := parse(t, head+"permissions:\n  - object: ' /a '\n    pattern: '*.sh'\n    except: [a.sh, 'b*', 7, yes]\n").Permissions[0]
	if p.Object != "/a" || p.Pattern != "*.sh" || fmt.Sprint(p.Except) != "[a.sh b* 7 yes]" {
		t.Errorf("%+v", p)
	}
}

func TestPermissionsOnWindows(t *testing.T) {
	const windows = "version: 0.0\nos: windows\n"
	for _, none := range []string{"", "permissions:\n", "permissions: []\n"} {
		parse(t, windows+none)
	}
	if why := parseError(t, windows+"permissions:\n  - object: C:\\a\n"); !strings.Contains(why, ":4: permissions cannot be set on Windows") {
		t.Error(why)
	}
}
