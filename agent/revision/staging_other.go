//go:build !linux

package revision

import "os"

func replaceDirectory(made, target string) error { return replaceByRenames(made, target) }

// syncFilesystem does nothing: there is no call for a whole tree, and after a power loss the bundle can be unpacked again.
func syncFilesystem(string) error { return nil }

// syncData makes the content of a file durable.
func syncData(f *os.File) error { return f.Sync() }
