package revision

import "io/fs"

const openFlags = 0

func ownerOf(fs.FileInfo) (uid, gid int) { return -1, -1 }
