package hooks

import (
	"io"

	"codedeploy-agent/appspec"
)

// checkUser has nothing to check: runas and sudo do not exist on Windows.
func checkUser(appspec.Script) error { return nil }

// checkInterpreter has nothing to check: Windows goes by the name.
func checkInterpreter(string, func(string) (io.ReadCloser, error)) error { return nil }
