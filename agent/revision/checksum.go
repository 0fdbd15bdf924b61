package revision

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// checksum is one that S3 has of the whole object, in base64.
type checksum struct {
	name, want string
	hash       func() hash.Hash
}

// crc64nvme is the polynomial of the NVM Express specification, bits reversed; S3 computes it unless the uploader chose another.
var crc64nvme = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(0x9a6c9329ac4bc9b5) })

// checksumKinds are those that can be computed here, by S3's names.
var checksumKinds = map[string]func() hash.Hash{
	"CRC64NVME": func() hash.Hash { return crc64.New(crc64nvme()) },
	"CRC32C":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"CRC32":     func() hash.Hash { return crc32.NewIEEE() },
	"SHA256":    sha256.New,
	"SHA1":      sha1.New,
}

// wholeChecksums are those of an answer that can be compared with a file. Those of an upload in parts, which S3 makes from the
// parts' checksums, cannot.
func wholeChecksums(out *s3.GetObjectOutput) []checksum {
	if out.ChecksumType == types.ChecksumTypeComposite || out.ContentRange != nil {
		return nil
	}
	var sums []checksum
	for _, c := range []struct {
		name string
		want *string
	}{
		{"CRC64NVME", out.ChecksumCRC64NVME}, {"CRC32C", out.ChecksumCRC32C}, {"CRC32", out.ChecksumCRC32},
		{"SHA256", out.ChecksumSHA256}, {"SHA1", out.ChecksumSHA1},
	} {
		if c.want != nil && *c.want != "" && !strings.Contains(*c.want, "-") {
			sums = append(sums, checksum{c.name, *c.want, checksumKinds[c.name]})
		}
	}
	return sums
}

// checksumsOf are those that an earlier download noted.
func checksumsOf(noted map[string]string) (sums []checksum, err error) {
	for name, want := range noted {
		kind := checksumKinds[name]
		if kind == nil {
			return nil, fmt.Errorf("the checksum %q is not known", name)
		}
		sums = append(sums, checksum{name, want, kind})
	}
	return sums, nil
}

// damageError is a file that is not the object.
type damageError struct{ name, got, want string }

func (e *damageError) Error() string {
	return fmt.Sprintf("the bundle arrived damaged: its %s checksum is %s, S3 has %s; deploy again", e.name, e.got, e.want)
}

// verify compares a file with the checksums, if there are any.
func verify(ctx context.Context, file io.ReaderAt, sums []checksum) error {
	if len(sums) == 0 {
		return nil
	}
	hashes := make([]hash.Hash, len(sums))
	writers := make([]io.Writer, len(sums))
	for i, c := range sums {
		hashes[i] = c.hash()
		writers[i] = hashes[i]
	}
	all := io.MultiWriter(writers...)
	buf := make([]byte, 128<<10)
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := file.ReadAt(buf, at)
		all.Write(buf[:n]) // a hash never fails
		at += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	for i, c := range sums {
		if got := base64.StdEncoding.EncodeToString(hashes[i].Sum(nil)); got != c.want {
			return &damageError{c.name, got, c.want}
		}
	}
	return nil
}
