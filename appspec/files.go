package appspec

import (
	"slices"

	"gopkg.in/yaml.v3"
)

var fileLanguage = language{
	[]string{"source", "destination"},
	map[string]string{
		"overwrite":            "set file_exists_behavior: OVERWRITE at the top level of the file",
		"file_exists_behavior": "it belongs to the top level of the file",
		"mode":                 "modes are set in the permissions section",
		"owner":                "owners are set in the permissions section",
		"runas":                "owners are set in the permissions section",
		"pattern":              "a source is a file or a directory; patterns are for permissions",
		"from":                 "write it as source",
		"to":                   "write it as destination",
	},
}

func (p *parser) files(n *yaml.Node) {
	if p.absent(n, RuleFiles, "files") {
		return
	}
	var before fields
	items := p.items(n, RuleFiles, "files", "begin each entry with \"- source:\"")
	p.a.Files = slices.Grow(p.a.Files, len(items))
	for _, item := range items {
		if !p.item(item, RuleFiles, "an entry of files", "write source and destination") {
			continue
		}
		f := p.fields(item, RuleFiles, "an entry of files", fileLanguage)
		source, destination := p.text(f.value("source"), RuleFiles, "a source"), p.text(f.value("destination"), RuleFiles, "a destination")
		switch noSource, noDestination := f.lacks("source"), f.lacks("destination"); {
		case noSource && noDestination:
			p.problem(item, RuleFiles, f.instead("source", "write both, or remove the entry"), "an entry of files has neither source nor destination")
		case noSource:
			hint := f.instead("source", "add the file or directory of the revision that goes there")
			if f.strays(before) {
				hint = strayHint
			}
			p.problem(item, RuleFiles, hint, "an entry of files has only a destination, %q", clip(destination))
		case noDestination:
			p.problem(item, RuleFiles, f.instead("destination", "add the directory it goes to"), "an entry of files has only a source, %q", clip(source))
		default:
			p.a.Files = append(p.a.Files, File{Source: source, Destination: destination, Line: item.Line, places: p.places(item, f)})
		}
		before = f
	}
}
