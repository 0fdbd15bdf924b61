package appspec

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Place is where something stands in a file. Lines and columns count from 1, columns in characters; they are 0 when there is no such place.
type Place struct{ Line, Column int }

func placeOf(n *yaml.Node) Place {
	if n == nil {
		return Place{}
	}
	return Place{n.Line, n.Column}
}

// places knows where an entry and its values stand.
type places struct {
	start *yaml.Node
	found map[string]entry
	keys  bool // the places are those of the keys
}

// places returns where a mapping and its values stand, unless nobody wants to know.
func (p *parser) places(start *yaml.Node, f fields) places {
	if !p.keepPlaces {
		return places{}
	}
	return places{start: start, found: f.found}
}

// At returns where the value of a key stands, and where the entry begins for a key that it does not have; of an AppSpec, the place of the key
// itself. What is in a list or mapping has the key of that, a slash and its index from 0 or its own key, as in "except/0" and "context/type".
func (p places) At(key string) Place {
	key, inner, _ := strings.Cut(key, "/")
	e, ok := p.found[key]
	switch {
	case !ok:
		return placeOf(p.start)
	case p.keys:
		return placeOf(e.key)
	}
	if n := within(resolve(e.value), inner); n != nil {
		return placeOf(n)
	}
	return placeOf(e.value)
}

// Has says whether an entry has a key, be it empty. Keys are those of At.
func (p places) Has(key string) bool {
	key, inner, nested := strings.Cut(key, "/")
	e, ok := p.found[key]
	return ok && (!nested || within(resolve(e.value), inner) != nil)
}

// within returns an entry of a list or mapping, nil if there is none.
func within(n *yaml.Node, key string) *yaml.Node {
	if n == nil || key == "" {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if resolve(n.Content[i]).Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
