//go:build unix

package main

import (
	"fmt"
	"strings"
)

// appspecRules are about the AppSpec file: where it is looked for, which spellings are accepted, and what is refused.
func appspecRules() []rule {
	// whole is a deployment whose AppSpec is the text, with a script a.sh and a file index beside it.
	whole := func(text_ string) deploy {
		return deploy{
			bundle: []file{text("appspec.yml", text_), script("a.sh", noting("")), text("index", "i")},
			events: "DownloadBundle BeforeInstall Install",
		}
	}
	const head = "version: 0.0\nos: linux\n"
	const hook = "hooks:\n  BeforeInstall:\n    - location: a.sh\n      timeout: 20\n"
	const install = "files:\n  - source: index\n    destination: DEST\n"
	const ran, installed = "BeforeInstall 1:a.sh", "./ 755 \n index 644 i"

	// Each mapping merges nine of the one before: 9^7 of the first.
	multiplied := "m0: &m0 {source: index}\n"
	for i := 1; i <= 7; i++ {
		multiplied += fmt.Sprintf("m%[1]d: &m%[1]d {<<: [%[2]s]}\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 9), ", "))
	}
	multiplied += "files:\n  - <<: *m7\n    destination: DEST\n"

	var rules []rule
	// Spellings that at least one of the official agents accepts. All of them run the script and install the file.
	for name, spelling := range map[string]string{
		"plain":                            head + install + hook,
		"version 0":                        "version: 0\nos: linux\n" + install + hook,
		"version 0.00":                     "version: 0.00\nos: linux\n" + install + hook,
		"a quoted version":                 "version: \"0.0\"\nos: linux\n" + install + hook,
		"a quoted os":                      "version: 0.0\nos: 'linux'\n" + install + hook,
		"a start of document and comments": "# comment\n---\n# more\n" + head + install + hook,
		"only the first document counts":   head + install + hook + "---\nversion: 9\n",
		"a byte order mark":                "\xef\xbb\xbf" + head + install + hook,
		"Windows line ends":                strings.ReplaceAll(head+install+hook, "\n", "\r\n"),
		"an unknown key":                   "colour: green\n" + head + install + hook,
		"unknown keys everywhere":          head + "files:\n  - {source: index, destination: DEST, mode: 1}\n" + hook + "      shell: zsh\n",
		"a quoted timeout":                 head + install + strings.Replace(hook, "20", "'20'", 1),
		"a timeout with a unit":            head + install + strings.Replace(hook, "20", "20s", 1),
		"a timeout with a fraction":        head + install + strings.Replace(hook, "20", "20.9", 1),
		"a timeout above an hour":          head + install + strings.Replace(hook, "20", "7200", 1),
		"a timeout of nothing":             head + install + strings.Replace(hook, "20", "", 1),
		"no timeout":                       head + install + strings.Replace(hook, "      timeout: 20\n", "", 1),
		"sudo: no":                         head + install + hook + "      sudo: no\n",
		"sudo: off, runas: nothing":        head + install + hook + "      sudo: off\n      runas:\n",
		"sudo: a quoted false":             head + install + hook + "      sudo: \"false\"\n",
		"null sections":                    head + install + hook + "permissions:\nfile_exists_behavior:\n",
		"an event with nothing":            head + install + hook + "  AfterInstall:\n  ValidateService: []\n  ApplicationStop: ~\n",
		"flow style": "{version: 0.0, os: linux, files: [{source: index, destination: DEST}],\n" +
			" hooks: {BeforeInstall: [{location: a.sh, timeout: 20}]}}\n",
		"JSON": `{"version": 0.0, "os": "linux", "files": [{"source": "index", "destination": "DEST"}],` +
			` "hooks": {"BeforeInstall": [{"location": "a.sh"}]}}`,
		"a list at the level of its key":        head + "files:\n- source: index\n  destination: DEST\nhooks:\n  BeforeInstall:\n  - location: a.sh\n",
		"the last of two keys of the same name": head + "files:\n  - source: ghost\n    destination: DEST\n" + install + hook,
		"anchors and aliases": head + "files: &f\n  - source: index\n    destination: DEST\nother: *f\n" +
			"hooks:\n  AfterInstall: &a\n    - location: a.sh\n  BeforeInstall: *a\n",
		"merge keys": head + install + "common: &c\n  timeout: 20\n  location: wrong.sh\n" +
			"hooks:\n  BeforeInstall:\n    - <<: *c\n      location: a.sh\n",
		"a script that is a merged list": head + install + "one: &one {timeout: 20}\ntwo: &two {location: a.sh}\n" +
			"hooks:\n  BeforeInstall:\n    - <<: [*one, *two]\n",
		"folded text":       head + "files:\n  - source: >-\n      index\n    destination: |-\n      DEST\n" + hook,
		"tabs after values": head + "files:\t\n  - source: index\t\n    destination: DEST\t# here\n" + hook,
		"an unused mode in each spelling": head + install + hook + "permissions:\n  - {object: DEST/none, mode: 0755}\n  - {object: DEST/none, mode: '0755'}\n" +
			"  - {object: DEST/none, mode: 755, owner: , group: ~, except: , type: , pattern: , acls: }\n",
		"ACL entries in each spelling": head + install + hook + "permissions:\n  - object: DEST/none\n" +
			"    acls: ['root:rwx', 'm:rwx', 'd:root:7', 'default:user:root:r-x', 'd:o::0', 'g:root:-', ' u : root : r ']\n",
		"contexts in each spelling": head + install + hook + "permissions:\n  - {object: DEST/none, context: {type: bin_t}}\n" +
			"  - {object: DEST/none, context: {name: system_u, type: etc_t, range: 's0-s15:c0.c1023'}}\n  - {object: DEST/none, context: {type: t, range: 's0:c3,c1,c2'}}\n",
	} {
		// Parsing is the same in both ways; some go both to show it.
		in := daemonOnly
		if strings.Contains(name, "timeout") || strings.Contains(name, "mark") || strings.Contains(name, "Windows") || strings.Contains(name, "quoted") {
			in = bothWays
		}
		rules = append(rules, rule{name: "accepted: " + name, in: in, once: true, deploys: []deploy{whole(spelling)}, ran: ran, tree: installed})
	}
	// What is refused, and what the message has to say about it.
	for name, wrong := range map[string]struct {
		text string
		says []string
	}{
		"nothing at all":                 {"", []string{"empty"}},
		"only blanks and comments":       {"  \n# nothing\n", []string{"empty"}},
		"no version":                     {"os: linux\n", []string{"version"}},
		"another version":                {"version: 1.0\nos: linux\n", []string{"1.0", "0.0"}},
		"no os":                          {"version: 0.0\n", []string{"os"}},
		"another os":                     {"version: 0.0\nos: beos\n", []string{"appspec.yml:2", "beos", "linux", "windows"}},
		"os in capitals":                 {"version: 0.0\nos: Linux\n", []string{"appspec.yml:2", "Linux", "linux"}},
		"os: windows on another system":  {"version: 0.0\nos: windows\n", []string{"windows"}},
		"broken YAML":                    {head + "files:\n  - source: [\n", []string{"appspec.yml:4", "YAML"}},
		"indented by tabs":               {head + "hooks:\n\tBeforeInstall:\n", []string{"appspec.yml:4", "tab"}},
		"a text":                         {"just a text\n", []string{"just a text"}},
		"a list":                         {"- version: 0.0\n", []string{"list"}},
		"files is a mapping":             {head + "files:\n  source: index\n  destination: DEST\n", []string{"appspec.yml:4", "files", "list"}},
		"no destination":                 {head + "files:\n  - source: index\n", []string{"appspec.yml:4", "index"}},
		"no source":                      {head + "files:\n  - destination: DEST\n", []string{"appspec.yml:4", "DEST"}},
		"neither source nor destination": {head + "files:\n  - {}\n", []string{"appspec.yml:4", "neither"}},
		"hooks is a list":                {head + "hooks:\n  - BeforeInstall:\n", []string{"appspec.yml:4", "list"}},
		"scripts are a mapping": {
			head + "hooks:\n  BeforeInstall:\n    location: a.sh\n", []string{"appspec.yml:5", "BeforeInstall", "a.sh"},
		},
		"scripts are a text": {head + "hooks:\n  BeforeInstall: a.sh\n", []string{"appspec.yml:4", "BeforeInstall", "a.sh"}},
		"a script is a text": {head + "hooks:\n  BeforeInstall:\n    - a.sh\n", []string{"appspec.yml:5", "BeforeInstall", "a.sh"}},
		"a script without a location": {
			head + "hooks:\n  BeforeInstall:\n    - timeout: 20\n", []string{"appspec.yml:5", "BeforeInstall", "location"},
		},
		"a blank location": {
			head + "hooks:\n  BeforeInstall:\n    - location: '  '\n", []string{"appspec.yml:5", "BeforeInstall", "location"},
		},
		"a timeout of 0":              {head + strings.Replace(hook, "20", "0", 1), []string{"appspec.yml:6", "timeout", "0"}},
		"a negative timeout":          {head + strings.Replace(hook, "20", "-5", 1), []string{"appspec.yml:6", "timeout", "-5"}},
		"a timeout that is no number": {head + strings.Replace(hook, "20", "soon", 1), []string{"appspec.yml:6", "timeout", "soon"}},
		"a timeout that is a list":    {head + strings.Replace(hook, "20", "[20]", 1), []string{"appspec.yml:6", "timeout"}},
		"an unknown file_exists_behavior": {
			head + "file_exists_behavior: maybe\n", []string{"appspec.yml:3", "maybe", "DISALLOW", "OVERWRITE", "RETAIN"},
		},
		"file_exists_behavior in lower case": {head + "file_exists_behavior: overwrite\n", []string{"appspec.yml:3", "overwrite", "OVERWRITE"}},
		"permissions without an object":      {head + "permissions:\n  - mode: 644\n", []string{"appspec.yml:4", "object"}},
		"permissions with an empty object":   {head + "permissions:\n  - object: ''\n    mode: 644\n", []string{"appspec.yml:4", "object"}},
		"type is a text":                     {head + "permissions:\n  - object: DEST\n    type: file\n", []string{"appspec.yml:5", "file", "list"}},
		"an unknown type":                    {head + "permissions:\n  - object: DEST\n    type: [link]\n", []string{"appspec.yml:5", "link"}},
		"a mode of five digits":              {head + "permissions:\n  - object: DEST\n    mode: '00755'\n", []string{"appspec.yml:5", "00755"}},
		"a mode that is not octal":           {head + "permissions:\n  - object: DEST\n    mode: 789\n", []string{"appspec.yml:5", "789", "8"}},
		"a mode in letters":                  {head + "permissions:\n  - object: DEST\n    mode: u+x\n", []string{"appspec.yml:5", "u+x"}},
		"an acl for the owner": {
			head + "permissions:\n  - object: DEST\n    acls: ['u::rwx']\n", []string{"appspec.yml:5", "u::rwx", "mode"},
		},
		"an acl with unknown rights": {
			head + "permissions:\n  - object: DEST\n    acls: ['u:root:rwz']\n", []string{"appspec.yml:5", "u:root:rwz", "z"},
		},
		"an acl of one part": {head + "permissions:\n  - object: DEST\n    acls: [root]\n", []string{"appspec.yml:5", "root"}},
		"a mask with a name": {
			head + "permissions:\n  - object: DEST\n    acls: ['m:root:r']\n", []string{"appspec.yml:5", "m:root:r"},
		},
		"a context without a type": {head + "permissions:\n  - object: DEST\n    context: {name: x}\n", []string{"appspec.yml:5", "type"}},
		"a context with a wrong range": {
			head + "permissions:\n  - object: DEST\n    context: {type: t, range: 's5-s1'}\n", []string{"appspec.yml:5", "s5"},
		},
		"several mistakes at once": {
			"version: 2\nos: mac\nfiles:\n  - source: x\nhooks:\n  BeforeInstall:\n    - timeout: never\n",
			[]string{"line 1: ", "line 2: ", "line 4: ", "line 7: "},
		},
		"aliases that multiply": {head + multiplied, []string{"aliases make the file too large"}},
	} {
		d := whole(wrong.text)
		d.events, d.says, d.invalid = "DownloadBundle BeforeInstall=refused", append([]string{"appspec.yml"}, wrong.says...), true
		in := daemonOnly
		if strings.HasPrefix(name, "a ") || strings.Contains(name, "several") {
			in = bothWays
		}
		rules = append(rules, rule{name: "refused: " + name, in: in, deploys: []deploy{d}})
	}
	named := func(name string, d deploy) deploy {
		d.bundle = append([]file{text(name, head+install+hook)}, d.bundle[1:]...)
		return d
	}
	custom := func(name string, d deploy) deploy {
		d.appspecName = name
		return d
	}
	both := whole(head + install + hook)
	both.bundle = append(both.bundle, text("appspec.yaml", "version: 7\n"))
	missing := whole("")
	missing.bundle = missing.bundle[1:]
	missing.events, missing.says, missing.invalid = "DownloadBundle BeforeInstall=refused", []string{"appspec.yml", "appspec.yaml"}, true
	installing := missing
	installing.events = "DownloadBundle Install=5"
	misspelt := named("AppSpec.yml", missing)
	misspelt.says = []string{"AppSpec.yml", "rename"}
	elsewhere := custom("deploy/other.yml", missing)
	elsewhere.says = []string{"deploy/other.yml"}
	another := custom("deploy/app.yml", whole(head+install+hook))
	another.events, another.invalid = "DownloadBundle BeforeInstall=refused", true
	another.says = []string{"deploy/app.yml", "there is appspec.yml"}
	fallback := custom("deploy/app.yml", whole(head+install+hook))
	fallback.events = "DownloadBundle Install"
	climbing := custom("../appspec.yml", whole(head))
	climbing.events, climbing.says, climbing.invalid = "DownloadBundle=refused", []string{"../appspec.yml"}, true
	return append(rules,
		rule{name: "appspec.yaml", ordinary: true, once: true, deploys: []deploy{named("appspec.yaml", whole(""))}, ran: ran, tree: installed},
		rule{name: "appspec.yml comes before appspec.yaml", once: true, deploys: []deploy{both}, ran: ran, tree: installed},
		rule{
			name: "another name, in a directory", once: true,
			deploys: []deploy{custom("deploy/app.yml", named("deploy/app.yml", whole("")))}, ran: ran, tree: installed,
		},
		rule{name: "another name that is missing, and appspec.yml is there", deploys: []deploy{another}},
		rule{
			name: "Install takes appspec.yml when another name is missing", in: daemonOnly, once: true, deploys: []deploy{fallback},
			tree: installed,
		},
		rule{name: "no AppSpec", deploys: []deploy{missing}},
		rule{name: "no AppSpec, found by Install", in: daemonOnly, deploys: []deploy{installing}},
		rule{name: "an AppSpec in another spelling", deploys: []deploy{misspelt}},
		rule{name: "an AppSpec of another name that is missing", deploys: []deploy{elsewhere}},
		rule{name: "an AppSpec outside of the revision", deploys: []deploy{climbing}},
		rule{name: "the previous revision's AppSpec is broken", in: daemonOnly, deploys: []deploy{
			{appspec: "\n"}, {appspec: "\n", events: "ApplicationStop=refused", says: []string{"appspec.yml", "line 1: "}, first: func(p *play) {
				p.write("root/"+p.group+"/"+p.ids[0]+"/deployment-archive/appspec.yml", "version: 7\n")
			}}}},
		rule{
			name: "a name of a file that is a number", once: true,
			deploys: []deploy{{appspec: files("42 => DEST"), bundle: []file{text("42", "x")}}}, tree: "./ 755 \n 42 644 x",
		},
		rule{name: "an empty source is the whole revision", once: true, in: daemonOnly, deploys: []deploy{{appspec: files("'' => DEST"), bundle: []file{text("x", "x")},
			events: "DownloadBundle Install"}}, tree: "./ 755 \n appspec.yml 644 \"version: 0.0\\nos: linux\\nfiles:\\n  - source: ''\\n    destin... \n x 644 x"},
	)
}
