package appspec

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	permissionLanguage = language{
		[]string{"object", "pattern", "except", "owner", "group", "mode", "acls", "context", "type"},
		map[string]string{
			"user": "write it as owner", "acl": "write it as acls", "path": "write it as object", "file": "write it as object",
			"recursive": "a pattern of ** reaches every depth",
		},
	}
	contextLanguage = language{
		[]string{"name", "type", "range"},
		map[string]string{"user": "write it as name", "role": "roles cannot be set"},
	}
)

func (p *parser) permissions(n *yaml.Node) {
	if p.absent(n, RulePermissions, "permissions") {
		return
	}
	items := p.items(n, RulePermissions, "permissions", "begin each entry with \"- object:\"")
	if len(items) > 0 && p.a.OS == "windows" {
		p.problem(items[0], RulePermissions, "remove the permissions section", "permissions cannot be set on Windows")
	}
	p.a.Permissions = slices.Grow(p.a.Permissions, len(items))
	var before fields
	for _, item := range items {
		if !p.item(item, RulePermissions, "an entry of permissions", "write an object and what it shall have") {
			continue
		}
		f := p.fields(item, RulePermissions, "an entry of permissions", permissionLanguage)
		if x := p.permission(item, f, before); x.Object != "" {
			p.a.Permissions = append(p.a.Permissions, x)
		}
		before = f
	}
}

// permission reads an entry; before is the entry before it.
func (p *parser) permission(item *yaml.Node, f, before fields) Permission {
	problems := len(p.problems)
	x := Permission{Line: item.Line, places: p.places(item, f), Pattern: "**", Object: strings.TrimSpace(p.text(f.value("object"), RulePermissions, "an object"))}
	if x.Object == "" && len(p.problems) == problems {
		hint := f.instead("object", "add the file or directory on the host that it is for")
		if f.strays(before) {
			hint = strayHint
		}
		p.problem(item, RulePermissions, hint, "an entry of permissions has no object")
	}
	if n := f.value("pattern"); !p.absent(n, RulePermissions, "a pattern") {
		x.Pattern = p.text(n, RulePermissions, "a pattern")
	}
	if n := f.value("except"); !p.absent(n, RulePermissions, "except") {
		for _, n := range p.items(n, RulePermissions, "except", "write it as a list") {
			x.Except = append(x.Except, p.text(n, RulePermissions, "an except"))
		}
	}
	p.types(&x, f.value("type"))
	x.Owner = p.account(f.value("owner"), "owner")
	x.Group = p.account(f.value("group"), "group")
	p.mode(&x, f.value("mode"))
	p.acl(&x, f.value("acls"))
	p.context(&x, f.value("context"))
	return x
}

// account reads the name of a user or group.
func (p *parser) account(n *yaml.Node, what string) string {
	problems := len(p.problems)
	name := strings.TrimSpace(p.text(n, RulePermissions, "the "+what))
	if name == "" && !isNull(n) && len(p.problems) == problems {
		p.warning(n, RulePermissions, "leave the key out", "the %s is empty and is not set", what)
	}
	return name
}

func (p *parser) types(x *Permission, n *yaml.Node) {
	if p.absent(n, RulePermissions, "type") {
		x.Files, x.Directories = true, true
		return
	}
	for _, item := range p.items(n, RulePermissions, "type", "write it as a list, for example [file]") {
		switch t := strings.TrimSpace(p.text(item, RulePermissions, "a type")); t {
		case "file":
			x.Files = true
		case "directory":
			x.Directories = true
		default:
			p.problem(item, RulePermissions, "write file or directory", "the type %q is not supported", clip(t))
		}
	}
}

// decimalModes are usual modes as decimal numbers, which programs that write YAML make of them. 511 is left out: it is a mode, too.
var decimalModes = func() map[string]string {
	modes := map[string]string{}
	for _, m := range []int64{0o755, 0o644, 0o666, 0o664, 0o775, 0o640, 0o660, 0o750, 0o770, 0o700, 0o600, 0o400, 0o555, 0o444} {
		modes[strconv.FormatInt(m, 10)] = strconv.FormatInt(m, 8)
	}
	return modes
}()

// mode reads a mode. Without quotes it is a number: 1.8 makes another mode, or none, of one that begins with a 0, because its digits
// are octal then. Release 2 takes it as it is written, and so do we.
func (p *parser) mode(x *Permission, n *yaml.Node) {
	if isNull(n) {
		return
	}
	problems := len(p.problems)
	text := p.text(n, RuleMode, "a mode")
	if len(p.problems) > problems {
		return
	}
	text = strings.TrimSpace(text)
	number, isNumber := integer(n)
	isOctal := plain(n) && octal.MatchString(text)
	switch {
	case text == "": // official agent 1.8
		p.warning(n, RuleMode, "leave the key out", "the mode is empty, which counts as 000")
		text = "000"
	case isOctal:
		text = strings.TrimPrefix(ungrouped(text), "+")
		text = text[min(max(0, len(text)-4), len(text)-len(strings.TrimLeft(text, "0"))):]
	case isNumber:
		text = strconv.FormatFloat(number, 'f', 0, 64)
	}
	hint := "write it as 755 or \"0755\""
	meant := decimalModes[text]
	if meant != "" {
		hint = "write " + meant + ": " + text + " is what 0" + meant + " is as a decimal number"
	}
	m, err := parseMode(text)
	if err != nil {
		p.problem(n, RuleMode, hint, "%v", err)
		return
	}
	if meant != "" {
		p.warning(n, RuleMode, hint, "the mode %s is an odd one", m.text)
	}
	if isNumber && !isOctal && !decimal.MatchString(n.Value) {
		p.warning(n, RuleMode, "write it as 755 or \"0755\"", "the mode %s counts as %s", clip(n.Value), m.text)
	}
	if isOctal {
		decimal := strconv.FormatFloat(number, 'f', 0, 64)
		if theirs, err := parseMode(decimal); err != nil {
			p.warning(n, RuleOfficial, "leave out the 0, or write it in quotes", "the official agent 1.8 refuses the mode %s: it takes it for the number %s", clip(n.Value), decimal)
		} else if theirs.bits != m.bits {
			p.warning(n, RuleMode, "leave out the 0, or write it in quotes", "the official agent 1.8 takes the mode %s for the number %s", clip(n.Value), decimal)
		}
	}
	x.Mode = m
}

func (p *parser) acl(x *Permission, n *yaml.Node) {
	const hint = "for example user:name:rwx, mask::r-x or default:group:name:rw"
	if isNull(n) {
		return
	}
	x.ACL = &ACL{}
	for _, item := range p.items(n, RuleACL, "acls", "write it as a list") {
		problems := len(p.problems)
		text := strings.TrimSpace(p.text(item, RuleACL, "an acl entry"))
		if len(p.problems) > problems {
			continue
		}
		if text == "" {
			p.problem(item, RuleACL, "remove its dash, or write "+hint[len("for example "):], "an acl entry is empty")
			continue
		}
		e, err := parseEntry(text)
		if err != nil {
			p.problem(item, RuleACL, hint, "cannot use the acl entry %q: %v", clip(text), err)
			continue
		}
		x.ACL.Entries = append(x.ACL.Entries, e)
	}
}

func (p *parser) context(x *Permission, n *yaml.Node) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.problem(n, RuleContext, "write its type on a line of its own below it", "a context is no mapping but %s", kindName(n))
		return
	}
	f := p.fields(n, RuleContext, "a context", contextLanguage)
	problems := len(p.problems)
	c := &Context{User: strings.TrimSpace(p.text(f.value("name"), RuleContext, "a context's name")),
		Type: strings.TrimSpace(p.text(f.value("type"), RuleContext, "a context's type"))}
	if c.Type == "" && len(p.problems) == problems {
		p.problem(n, RuleContext, "add it, for example type: httpd_sys_content_t", "a context has no type")
	}
	problems = len(p.problems)
	if r := f.value("range"); !isNull(r) {
		text := strings.TrimSpace(p.text(r, RuleContext, "a context's range"))
		var err error
		if c.Range, err = parseRange(text); err != nil && len(p.problems) == problems {
			p.problem(r, RuleContext, "for example s0 or s0:c1.c3", "cannot use the range %q: %v", clip(r.Value), err)
		}
	}
	x.Context = c
}
