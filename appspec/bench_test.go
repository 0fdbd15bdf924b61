package appspec

import (
	"fmt"
	"strings"
	"testing"
)

// large returns an AppSpec of about so many bytes that is almost all entries of one section.
func large(section string, size int) []byte {
	entries := map[string]string{
		"files":       "  - source: app/d%04[1]d/f%06[2]d\n    destination: /srv/app/d%04[1]d\n",
		"permissions": "  - object: /srv/app/d%04[1]d/f%06[2]d\n    owner: nobody\n    mode: 640\n    type: [file]\n",
	}
	var b strings.Builder
	b.WriteString(head + section + ":\n")
	for i := 0; b.Len() < size-120; i++ {
		fmt.Fprintf(&b, entries[section], i/50, i)
	}
	return []byte(b.String())
}

// BenchmarkParseLarge parses AppSpecs of a tenth of the greatest size and of nearly all of it: what a byte costs should be the same.
func BenchmarkParseLarge(b *testing.B) {
	for _, section := range []string{"files", "permissions"} {
		for _, size := range []int{maxSize / 10, maxSize} {
			data := large(section, size)
			b.Run(fmt.Sprintf("%s/%dKiB", section, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if _, err := Parse("appspec.yml", data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
