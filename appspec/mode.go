package appspec

import (
	"fmt"
	"strconv"
	"strings"
)

// Mode is a file mode as a permissions entry gives it: one to four octal digits.
type Mode struct {
	text string
	bits uint32
}

// Perm returns the bits as chmod(2) takes them, with the set-user-id, set-group-id and sticky bits.
func (m *Mode) Perm() uint32 { return m.bits }

// Text returns the digits, at least three.
func (m *Mode) Text() string { return m.text }

func parseMode(text string) (*Mode, error) {
	if len(text) < 1 || len(text) > 4 {
		return nil, fmt.Errorf("the mode %q is not one to four octal digits", text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '7' }); i >= 0 {
		return nil, fmt.Errorf("the mode %q has the character %q, which is not an octal digit", text, []rune(text[i:])[0])
	}
	for len(text) < 3 {
		text = "0" + text
	}
	bits, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return nil, err
	}
	return &Mode{text: text, bits: uint32(bits)}, nil
}
