package install

import (
	"io"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/progress"
)

// copyPiece is how much the kernel copies at a time: little enough to say how far it is. Pieces of one file are not copied side by side: in memory
// that saves a sixteenth of the time and costs half as much CPU again.
const copyPiece = 64 << 20

// copyBuffer is how much of a file is read at a time where the kernel does not copy by itself.
const copyBuffer = 128 << 10

// copier copies files; it is not for several goroutines.
type copier struct{ buffer []byte }

// copy makes a file with the source's content and the given attributes. The name must be free.
func (c *copier) copy(from *handle, base string, i info, to *handle, name string, a attributes, work *progress.Work) (err error) {
	src, err := openat(from, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return from.fail("read", base, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Ino != i.ino || st.Dev != i.dev {
		return from.fail("read", base, errChanged)
	}
	mode := uint32(0o600)
	if a.access == nil && !a.bare {
		mode = to.fresh.Mode(a.mode, a.uid, a.gid)
	}
	dst, err := unix.Openat(to.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return to.fail("write", name, err)
	}
	defer func() {
		if e := unix.Close(dst); err == nil {
			err = to.fail("write", name, e)
		}
	}()
	if err := c.content(src, dst, st.Size, work); err != nil {
		return to.fail("write", name, err)
	}
	if a.bare {
		if err := unix.Fremovexattr(dst, aclAccess); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return to.fail("set the permissions of", name, err)
		}
	}
	made := info{mode: mode}
	if made.uid, made.gid = to.fresh.Owner(); mode != a.mode || !to.fresh.Kept(dst, mode) {
		made.mode = unknownMode
	}
	if err := setAttributes(dst, made, a); err != nil {
		return to.fail("set the permissions of", name, err)
	}
	return to.fail("set the times of", name, disk.SetTimes(dst, st.Atim.Nano(), st.Mtim.Nano()))
}

// content copies everything. Large files are copied by the kernel where it can, which shares blocks on file systems that know how.
func (c *copier) content(src, dst int, size int64, work *progress.Work) error {
	if size > copyBuffer {
		for {
			n, err := unix.CopyFileRange(src, nil, dst, nil, copyPiece, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				if err == unix.ENOSPC || err == unix.EIO || err == unix.EDQUOT || err == unix.EFBIG {
					return err
				}
				break // the rest by hand
			}
			if n == 0 {
				return nil
			}
			work.Did(0, int64(n))
		}
	}
	if c.buffer == nil {
		c.buffer = make([]byte, copyBuffer)
	}
	for {
		n, err := unix.Read(src, c.buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		work.Did(0, int64(n))
		for out := c.buffer[:n]; len(out) > 0; {
			m, err := unix.Write(dst, out)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			if m == 0 {
				return io.ErrShortWrite
			}
			out = out[m:]
		}
		if int64(n) == size {
			return nil // all of a small file, without asking for its end
		}
	}
}
