package revision

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"codedeploy-agent/agent/durable"
)

// partial describes the part of a bundle that is safely on disk, for the next Download in case that this one is cut short by a
// kill or a power loss. It lies beside the part as a small file. What it names was made durable before it was written, so whatever
// of the two survives, no byte is trusted that was not written.
type partial struct {
	Source    string            `json:"source"` // what was asked for; of anything else the part is worth nothing
	ETag      string            `json:"etag,omitempty"`
	VersionID string            `json:"version_id,omitempty"`
	Size      int64             `json:"size"`
	Checksums map[string]string `json:"checksums,omitempty"` // of the whole object, by algorithm
	Ranges    [][2]int64        `json:"ranges"`              // the bytes that are there: first, and the one after the last
}

// partialName is where the description of the part at staged is.
func partialName(staged string) string { return staged + ".json" }

func (p *partial) save(staged string) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.WriteFile(partialName(staged), append(data, '\n'), 0o600)
}

// loadPartial returns the description of the part at staged; nil and no error if there is none.
func loadPartial(staged string) (*partial, error) {
	data, err := os.ReadFile(partialName(staged))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &partial{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", partialName(staged), err)
	}
	if err := p.spans().check(p.Size); err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", partialName(staged), err)
	}
	return p, nil
}

func (p *partial) spans() spans {
	s := make(spans, 0, len(p.Ranges))
	for _, r := range p.Ranges {
		s = append(s, span{r[0], r[1]})
	}
	return s
}

func (p *partial) setSpans(s spans) {
	p.Ranges = make([][2]int64, 0, len(s))
	for _, x := range s {
		p.Ranges = append(p.Ranges, [2]int64{x.from, x.to})
	}
}

// complete tells whether the whole bundle is there.
func (p *partial) complete() bool {
	return slices.Equal(p.Ranges, [][2]int64{{0, p.Size}})
}

// takeBack gives a bundle that came completely, and was not unpacked before the agent went down, its hidden name again. The
// source then finds nothing missing. Whatever is against it, the bundle is fetched as if there were none.
func takeBack(bundle, staged string) {
	if p, err := loadPartial(staged); err != nil || p == nil || !p.complete() {
		return
	}
	if _, err := os.Lstat(staged); !os.IsNotExist(err) {
		return
	}
	if info, err := os.Lstat(bundle); err == nil && info.Mode().IsRegular() {
		os.Rename(bundle, staged)
	}
}

// begun tells whether there is a part at staged that the next Download can go on with.
func begun(staged string) bool {
	_, err := os.Lstat(partialName(staged))
	return err == nil
}

// Discard removes what a Download of bundle that was cut short has left for the next one.
func Discard(bundle string) error { return discardPart(stagedName(bundle)) }

// discardPart removes the part at staged and its description.
func discardPart(staged string) error {
	wrong := func(err error) error { return fmt.Errorf("cannot remove the rest of an earlier download: %w", err) }
	if begun(staged) { // it goes first, and for good: it must not outlive the part and meet another one
		if err := durable.Remove(partialName(staged)); err != nil {
			return wrong(err)
		}
	}
	for _, path := range []string{durable.Temporary(partialName(staged)), staged} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return wrong(err)
		}
	}
	return nil
}
