package revision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// xz decompresses with the host's xz program, as tar does, through which the official agents unpack.
type xz struct {
	io.Reader
	cmd    *exec.Cmd
	says   *strings.Builder
	cancel context.CancelFunc
	ended  bool
}

// xzMemory bounds what a bundle can make xz take, which is else up to four gigabytes; xz -9 needs 65 MiB. It is not an option on the command line
// because other programs of that name do not know it.
const xzMemory = "--memlimit-decompress=256MiB"

func newXZ(ctx context.Context, in io.Reader) (*xz, error) {
	ctx, cancel := context.WithCancel(ctx)
	z := &xz{cmd: exec.CommandContext(ctx, "xz", "--decompress", "--stdout"), says: new(strings.Builder), cancel: cancel}
	z.cmd.Env = append(os.Environ(), "XZ_DEFAULTS="+xzMemory, "XZ_OPT=")
	z.cmd.Stdin, z.cmd.Stderr = in, z.says
	out, err := z.cmd.StdoutPipe()
	if err == nil {
		err = z.cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		err = errors.New("it is compressed with xz, and this host has no xz program; install it or use gzip")
	}
	if err != nil {
		cancel()
		return nil, err
	}
	z.Reader = out
	return z, nil
}

// Read ends with io.EOF only when the program found the whole stream sound.
func (z *xz) Read(p []byte) (int, error) {
	n, err := z.Reader.Read(p)
	if err == io.EOF && !z.ended {
		z.ended = true
		if e := z.cmd.Wait(); e != nil {
			err = fmt.Errorf("xz cannot decompress it: %w: %s", e, strings.TrimSpace(z.says.String()))
		}
	}
	return n, err
}

// Close ends the program if it is still at work.
func (z *xz) Close() {
	z.cancel()
	if !z.ended {
		z.ended = true
		z.cmd.Wait()
	}
}
