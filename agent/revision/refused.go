package revision

import (
	"errors"
	"fmt"
	"strings"
)

// Why an entry of a bundle is refused, on disk and in an index alike.

var errDirectoryThere = errors.New("a directory has that name already")

func throughLink(dir string) error {
	return fmt.Errorf("it leads through %q, which is a link; nothing is written through a link", dir)
}

func inTheWay(dir string) error { return fmt.Errorf("%q is in the way: it is not a directory", dir) }

func noTarget(target string) error {
	return fmt.Errorf("there is no %q before it in the bundle to link to", target)
}

func linkToDirectory(target string) error {
	return fmt.Errorf("it is a hard link to the directory %q", target)
}

// checkTarget refuses what cannot be the target of a link.
func checkTarget(target string) error {
	if target == "" || strings.IndexByte(target, 0) >= 0 {
		return fmt.Errorf("its target %q is no path", target)
	}
	return nil
}

// namesAppSpec says whether a name makes the directory that holds it the level of a bundle that is left out (official agents).
func namesAppSpec(name string) bool { return strings.Contains(strings.ToLower(name), "appspec") }
