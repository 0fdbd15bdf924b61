package runner

import "io"

// CheckUser has nothing to check: runas and sudo do not exist on Windows.
func CheckUser(string, bool, string) error { return nil }

// CheckInterpreter has nothing to check: Windows goes by the name.
func CheckInterpreter(string, func(string) (io.ReadCloser, error)) error { return nil }
