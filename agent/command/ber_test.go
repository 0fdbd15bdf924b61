package command

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestCheckBER(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte {
		b := []byte{0x04, 0x00}
		for range n {
			if len(b) > 120 {
				break
			}
			b = append([]byte{0x30, byte(len(b))}, b...)
		}
		return b
	}
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"primitive":               {[]byte{0x04, 0x01, 0xff}, nil},
		"empty sequence":          {[]byte{0x30, 0x00}, nil},
		"long length":             {append([]byte{0x04, 0x82, 0x01, 0x00}, make([]byte, 256)...), nil},
		"long tag":                {[]byte{0x1f, 0x81, 0x01, 0x00}, nil},
		"two parts":               {[]byte{0x30, 0x04, 0x04, 0x00, 0x04, 0x00}, nil},
		"indefinite":              {[]byte{0x30, 0x80, 0x04, 0x01, 0x00, 0x00, 0x00}, nil},
		"indefinite in definite":  {[]byte{0x30, 0x06, 0x30, 0x80, 0x04, 0x00, 0x00, 0x00}, nil},
		"deep":                    {nested(40), nil},
		"nothing":                 {nil, errTruncated},
		"no length":               {[]byte{0x30}, errTruncated},
		"no end":                  {[]byte{0x30, 0x80, 0x04, 0x00}, errTruncated},
		"tag without end":         {[]byte{0x1f, 0x81}, errTruncated},
		"length without end":      {[]byte{0x04, 0x84, 0x01}, errTruncated},
		"content too short":       {[]byte{0x04, 0x05, 0x00}, errNested},
		"part larger than whole":  {[]byte{0x30, 0x02, 0x04, 0x05, 1, 2, 3, 4, 5}, errNested},
		"end outside the whole":   {[]byte{0x30, 0x02, 0x30, 0x80, 0x00, 0x00, 0x00, 0x00}, errTruncated},
		"primitive of any length": {[]byte{0x04, 0x80, 0x00, 0x00}, errNested},
		"absurd length of length": {[]byte{0x04, 0x85, 0, 0, 0, 0, 1}, errNested},
		"too deep":                {nested(60), errDeep},
		"much too deep":           {bytes.Repeat([]byte{0x30, 0x80}, 100_000), errDeep},
	} {
		if err := checkBER(tt.in); !errors.Is(err, tt.want) {
			t.Errorf("%s: checkBER() = %v, want %v", name, err, tt.want)
		}
	}
}

// Without the check the parser would read the parts of overlapping 2^28 times.
func TestHostileBERIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	overlapping := []byte{0x04, 0x00}
	for range 28 {
		overlapping = append([]byte{0x30, 0x02, 0x30, byte(len(overlapping))}, overlapping...)
	}
	overlapping = append([]byte{0x30, byte(len(overlapping))}, overlapping...)
	started := time.Now()
	for _, b := range [][]byte{overlapping, bytes.Repeat([]byte{0x30, 0x80}, 100_000)} {
		if _, _, err := verifier(t, nil).Open(envelopeOf(b)); err == nil {
			t.Error("Open() succeeded, want an error")
		}
	}
	if d := time.Since(started); d > 10*time.Second {
		t.Errorf("refusing took %v, want no time", d)
	}
}
