package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// memoryDir is where there is a file system in memory, "" where there is none.
func memoryDir() string {
	if unix.Access("/dev/shm", unix.W_OK) == nil {
		return "/dev/shm"
	}
	return ""
}

// freshFileSystem makes dir an empty file system in memory; who is not root gets an empty directory.
func freshFileSystem(dir string) (release func() error, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if os.Getuid() != 0 || unix.Mount("measure", dir, "tmpfs", 0, "mode=0755") != nil { // a container's root may not mount
		return func() error { return os.RemoveAll(dir) }, nil
	}
	return func() error {
		// The runner of the last script may just be ending there: the file system goes when it has.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("cannot unmount %s: %w", dir, err)
		}
		return os.Remove(dir)
	}, nil
}
