//go:build linux

package main

// work is something to be done that is measured. Its bundle is the revision as it is, or packed.
type work struct {
	name     string
	revision string // of revisions
	format   string // tar, tgz, zip or directory
	events   string
	floor    string // what a shell does for the same: BUNDLE, STAGE and DEST are variables. Empty: nothing does it
	needs    string // the program that the floor needs and that is not everywhere
	again    bool   // the same has been done once before
	root     bool   // only root can do it
	against  string // the work whose cost is the measure, in place of the floor's
	large    bool   // takes gigabytes of memory
}

// revisions by name. The files are what applications are made of: thousands of 1 to 4 KiB; and then what hurts.
func revisions(dest string) map[string]revision {
	small := revision{files: 10_000, perDirectory: 50, least: 1 << 10, most: 4 << 10}
	owned := small
	owned.permissions = "permissions:\n  - object: " + dest + "\n    owner: nobody\n    group: nogroup\n    mode: 640\n    type: [file]\n"
	return map[string]revision{
		"small": small, "owned": owned,
		"big":     {files: 1, perDirectory: 1, least: 1 << 30, most: 1 << 30},
		"flat10":  {files: 10_000, perDirectory: 10_000, least: 64, most: 64},
		"flat100": {files: 100_000, perDirectory: 100_000, least: 64, most: 64},
		"hooks":   {files: 1, perDirectory: 1, least: 1, most: 1, scripts: 100},
		"hooks10": {files: 1, perDirectory: 1, least: 1, most: 1, scripts: 1000},
	}
}

const (
	untar = `tar xf "$BUNDLE" -C "$STAGE" && cp -a "$STAGE/app/." "$DEST"`
	unzip = `unzip -q "$BUNDLE" -d "$STAGE" && cp -a "$STAGE/app/." "$DEST"`
	plain = `cp -a "$BUNDLE/app/." "$DEST"`

	installing = "DownloadBundle,Install"
)

var works = []work{
	{name: "10,000 files, tar", revision: "small", format: "tar", events: installing, floor: untar},
	{name: "10,000 files, tgz", revision: "small", format: "tgz", events: installing, floor: untar},
	{name: "10,000 files, zip", revision: "small", format: "zip", events: installing, floor: unzip, needs: "unzip"},
	{name: "10,000 files, directory", revision: "small", format: "directory", events: installing, floor: plain},
	{name: "the same again, tar", revision: "small", format: "tar", events: installing, again: true, against: "10,000 files, tar"},
	{name: "owner, group and mode, tar", revision: "owned", format: "tar", events: installing, root: true, floor: untar + ` && chown -R nobody:nogroup "$DEST"`},
	{name: "1 GiB file, tar", revision: "big", format: "tar", events: installing, floor: untar, large: true},
	{name: "1 GiB file, directory", revision: "big", format: "directory", events: installing, floor: plain, large: true},
	{name: "10,000 files in one directory", revision: "flat10", format: "tar", events: installing, floor: untar},
	{name: "100,000 files in one directory", revision: "flat100", format: "tar", events: installing, floor: untar, large: true},
	{name: "100 scripts", revision: "hooks", format: "directory", events: "DownloadBundle,Install,AfterInstall",
		floor: plain + ` && for s in "$BUNDLE"/scripts/*; do "$s"; done`},
	{name: "1,000 scripts", revision: "hooks10", format: "directory", events: "DownloadBundle,Install,AfterInstall",
		floor: plain + ` && for s in "$BUNDLE"/scripts/*; do "$s"; done`},
}
