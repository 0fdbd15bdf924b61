package agent

import (
	"os"
	"path/filepath"
)

// makeState creates the state directory, if need be, and its directory name, which only the agent's user can enter. The
// directories above are made for everybody: the deployment root, whose hooks other users may run, is likely to lie there too.
func makeState(stateDir, name string) (dir string, err error) {
	if err := os.MkdirAll(filepath.Dir(stateDir), 0o755); err != nil {
		return "", err
	}
	if err := os.Mkdir(stateDir, 0o711); err != nil && !os.IsExist(err) {
		return "", err
	}
	dir = filepath.Join(stateDir, name)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	return dir, nil
}
