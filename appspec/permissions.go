package appspec

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	permissionKeys = []string{"object", "pattern", "except", "owner", "group", "mode", "acls", "context", "type"}
	contextKeys    = []string{"name", "type", "range"}
	permissionFolk = map[string]string{
		"user": "write it as owner", "acl": "write it as acls", "path": "write it as object", "recursive": "a pattern of ** reaches every depth",
	}
	contextFolk = map[string]string{"user": "write it as name", "role": "roles cannot be set"}
)

// inOrder returns a mapping's entries as the file has them.
func inOrder(found map[string]entry) []entry {
	out := make([]entry, 0, len(found))
	for _, e := range found {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.key.Line, b.key.Line), cmp.Compare(a.key.Column, b.key.Column))
	})
	return out
}

func (p *parser) permissions(n *yaml.Node) {
	items := p.items(n, RulePermissions, "permissions", "begin each entry with \"- object:\"")
	if len(items) > 0 && p.a.OS == "windows" {
		p.problem(items[0], RulePermissions, "remove the permissions section", "permissions cannot be set on Windows")
	}
	for _, item := range items {
		before := len(p.problems)
		if x := p.permission(item); len(p.problems) == before {
			p.a.Permissions = append(p.a.Permissions, x)
		}
	}
}

func (p *parser) permission(item *yaml.Node) Permission {
	f := p.fields(item, RulePermissions, "an entry of permissions", permissionKeys, permissionFolk)
	x := Permission{Line: item.Line, Pattern: "**", Object: strings.TrimSpace(p.text(f["object"].value, RulePermissions, "an object"))}
	if x.Object == "" {
		p.problem(item, RulePermissions, "add the file or directory on the host that it is for", "an entry of permissions has no object")
	}
	if n := resolve(f["pattern"].value); !isNull(n) {
		x.Pattern = p.text(n, RulePermissions, "a pattern")
	}
	for _, n := range p.items(f["except"].value, RulePermissions, "except", "write it as a list") {
		x.Except = append(x.Except, p.text(n, RulePermissions, "an except"))
	}
	p.types(&x, f["type"].value)
	x.Owner = strings.TrimSpace(p.text(f["owner"].value, RulePermissions, "an owner"))
	x.Group = strings.TrimSpace(p.text(f["group"].value, RulePermissions, "a group"))
	p.mode(&x, resolve(f["mode"].value))
	p.acl(&x, f["acls"].value)
	p.context(&x, resolve(f["context"].value))
	return x
}

func (p *parser) types(x *Permission, n *yaml.Node) {
	items := p.items(n, RulePermissions, "type", "write it as a list, for example [file]")
	if isNull(resolve(n)) {
		x.Files, x.Directories = true, true
		return
	}
	for _, item := range items {
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

func (p *parser) mode(x *Permission, n *yaml.Node) {
	text := strings.TrimSpace(p.text(n, RuleMode, "a mode"))
	if text == "" {
		return
	}
	m, err := parseMode(text)
	if err != nil {
		p.problem(n, RuleMode, "write it as 755 or \"0755\"", "%v", err)
		return
	}
	if plain(n) && len(text) > 1 && text[0] == '0' {
		p.warning(n, RuleMode, "leave out the 0, or write it in quotes", "the official agent 1.x takes the mode %s for another number", text)
	}
	x.Mode = m
}

func (p *parser) acl(x *Permission, n *yaml.Node) {
	n = resolve(n)
	if isNull(n) {
		return
	}
	items := p.items(n, RuleACL, "acls", "write it as a list")
	acl := &ACL{}
	for _, item := range items {
		text := strings.TrimSpace(p.text(item, RuleACL, "an acl entry"))
		e, err := parseEntry(text)
		if err != nil {
			p.problem(item, RuleACL, "for example user:name:rwx, mask::r-x or default:group:name:rw", "cannot use the acl entry %q: %v", clip(text), err)
			continue
		}
		acl.Entries = append(acl.Entries, e)
	}
	if len(acl.Entries) > 0 {
		x.ACL = acl
	}
}

func (p *parser) context(x *Permission, n *yaml.Node) {
	if isNull(n) {
		return
	}
	f := p.fields(n, RuleContext, "a context", contextKeys, contextFolk)
	c := &Context{User: strings.TrimSpace(p.text(f["name"].value, RuleContext, "a context's name")),
		Type: strings.TrimSpace(p.text(f["type"].value, RuleContext, "a context's type"))}
	if c.Type == "" {
		p.problem(n, RuleContext, "add it, for example type: httpd_sys_content_t", "a context has no type")
	}
	if r := resolve(f["range"].value); !isNull(r) {
		var err error
		if c.Range, err = parseRange(strings.TrimSpace(p.text(r, RuleContext, "a context's range"))); err != nil {
			p.problem(r, RuleContext, "for example s0 or s0:c1.c3", "cannot use the range %q: %v", clip(r.Value), err)
		}
	}
	x.Context = c
}
