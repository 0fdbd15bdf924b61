package disk

import (
	"errors"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/crew"
)

// copyPiece is how much the kernel copies at a time: little enough to say how far it is and to stop.
const copyPiece = 64 << 20

// CopyRange has the kernel copy the first size bytes of an open file to another one, the pieces of a large one side by side, and shares blocks on
// file systems that know how. Where the files are read and written next does not change. did is told of each piece, by several goroutines; its error ends
// the copy. What src has less than size is not copied. errors.ErrUnsupported says that it has to be done by other means.
func CopyRange(dst, src int, size int64, did func(int64) error) error {
	var pieces crew.Crew
	for at := int64(0); at < size && !pieces.Failed(); at += copyPiece {
		pieces.Do(func() error { return copyAt(dst, src, at, min(size-at, copyPiece), did) })
	}
	return pieces.Wait()
}

func copyAt(dst, src int, at, size int64, did func(int64) error) error {
	from, to := at, at // both are moved by the call
	for from < at+size {
		n, err := unix.CopyFileRange(src, &from, dst, &to, int(at+size-from), 0)
		switch err {
		case nil:
		case unix.EINTR:
			continue
		case unix.ENOSPC, unix.EIO, unix.EDQUOT, unix.EFBIG:
			return err
		default:
			return errors.ErrUnsupported
		}
		if n == 0 {
			return nil
		}
		if err := did(int64(n)); err != nil {
			return err
		}
	}
	return nil
}
