package appspec

import "strings"

// Matches says whether the entry is for something, given its path relative to Object with "/" between the names. A pattern of "**" matches
// at any depth. In any other pattern, and in except even for "**", a "*" stands for any characters and every other character for
// itself, and only names directly below Object match (official agent 1.8; release 2 gives "?", "[" and "{" a meaning too, which the AWS user guide does not).
func (p *Permission) Matches(rel string) bool {
	if p.Pattern != "**" && !matches(p.Pattern, rel) {
		return false
	}
	for _, e := range p.Except {
		if matches(e, rel) {
			return false
		}
	}
	return true
}

func matches(pattern, rel string) bool {
	if strings.Contains(rel, "/") {
		return false
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return rel == pattern
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(rel) < len(first)+len(last) || !strings.HasPrefix(rel, first) || !strings.HasSuffix(rel, last) {
		return false
	}
	rel = rel[len(first) : len(rel)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rel, part)
		if i < 0 {
			return false
		}
		rel = rel[i+len(part):]
	}
	return true
}
