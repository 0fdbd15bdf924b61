package install

import (
	"fmt"
	"os"
)

// foreignLinkError says that a link of the host leads where whoever can change it must not lead this process. Somebody who owns a directory
// could else have files written, changed or removed wherever this process may, by putting a link in the place of a directory.
type foreignLinkError struct {
	link, end       string
	owner, endOwner int // owner is everybody for a link that everybody may replace
}

// everybody is the owner of a link in a directory that everybody may write to.
const everybody = -2

func (e *foreignLinkError) Error() string {
	who := "everybody"
	if e.owner != everybody {
		who = fmt.Sprintf("the user with the id %d", e.owner)
	}
	return fmt.Sprintf("%s may change the link %s, which leads to %s of the user with the id %d", who, show(e.link), show(e.end), e.endOwner)
}

const foreignLinkHint = "if the link is meant, give it and its directory to root, or set follow_links_of_other_users: true"

// suspect returns who could have put a link into its directory, or noID if only root and the agent's own user could. In a directory with the
// sticky bit nobody can replace what is another's. Groups that may write to a directory are trusted: hosts have them for
// administrators, and what their members make is still their own.
func suspect(link, dir info) int {
	trusted := func(uid int) bool { return uid == 0 || uid == os.Geteuid() || uid == noID }
	switch {
	case !trusted(link.uid):
		return link.uid
	case !trusted(dir.uid):
		return dir.uid
	case dir.mode&0o002 != 0 && dir.mode&0o1000 == 0:
		return everybody
	}
	return noID
}
