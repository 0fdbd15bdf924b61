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
	before   string // the revision that has been deployed before, in the same format; empty: none
	root     bool   // only root can do it
	large    bool   // takes gigabytes of memory, up to 2 GiB beside the bundle
	// play does the work in place of deploy-local, in an empty directory; only the agent is measured.
	play func(agent, dir string) (cost, error)

	against string  // the work whose cost is the measure, in place of the floor's
	units   float64 // how many files, scripts or bytes it is, where each of them is compared and not the whole
	less    string  // the work that is subtracted: what counts is one of the units that this one has more. It is not done itself
	from    string  // the work that less is subtracted from

	limits []limit
}

// limit is what a work may cost at most: so many times its measure, or so many seconds or bytes.
type limit struct {
	what string // one of the constants below
	most float64
}

const (
	wallRatio   = "wall"
	cpuRatio    = "CPU"
	peak        = "peak"
	wallSeconds = "wall time"
	overFloor   = "wall time beyond the floor"
	mib         = 1 << 20
)

// revisions by name. The files are what applications are made of: thousands of 1 to 4 KiB; and then what hurts.
func revisions(dest string) map[string]revision {
	small := revision{files: 10_000, perDirectory: 50, least: 1 << 10, most: 4 << 10}
	other := small
	other.seed = 1
	owned := small
	owned.permissions = "permissions:\n  - object: " + dest + "\n    owner: nobody\n    group: nogroup\n    mode: 640\n    type: [file]\n"
	tiny := revision{files: 1, perDirectory: 1, least: 1, most: 1}
	scripts := func(n int) revision { r := tiny; r.scripts = n; return r }
	each := func(n int, part string) revision {
		return revision{files: n, perDirectory: 50, least: 64, most: 64, each: part}
	}
	return map[string]revision{
		"small": small, "other": other, "owned": owned,
		"big":     {files: 1, perDirectory: 1, least: 1 << 30, most: 1 << 30},
		"text":    {files: 1, perDirectory: 1, least: 1 << 30, most: 1 << 30, text: true},
		"flat10":  {files: 10_000, perDirectory: 10_000, least: 64, most: 64},
		"flat100": {files: 100_000, perDirectory: 100_000, least: 64, most: 64},
		"hooks":   scripts(100), "hooks10": scripts(1000),
		"rules": each(appSpecEntries/10, "permissions"), "rules10": each(appSpecEntries, "permissions"),
		"entries": each(appSpecEntries/10, "files"), "entries10": each(appSpecEntries, "files"),
	}
}

// appSpecEntries is how many entries an AppSpec has that is nearly as large as it may be, which is 1 MiB.
const appSpecEntries = 10_000

const (
	untar = `tar xf "$BUNDLE" -C "$STAGE" && cp -a "$STAGE/app/." "$DEST"`
	unzip = `unzip -q "$BUNDLE" -d "$STAGE" && cp -a "$STAGE/app/." "$DEST"`
	plain = `cp -a "$BUNDLE/app/." "$DEST"`

	scripted = plain + ` && for s in "$BUNDLE"/scripts/*; do "$s"; done`

	installing = "DownloadBundle,Install"
	hooking    = "DownloadBundle,Install,AfterInstall"
)

// works are what is measured, in this order. The limits are what was decided that an agent may cost.
var works = []work{
	{name: "10,000 files, tar", revision: "small", format: "tar", events: installing, floor: untar,
		limits: []limit{{wallRatio, 0.9}, {cpuRatio, 1.2}, {peak, 24 * mib}}},
	{name: "10,000 files, tgz", revision: "small", format: "tgz", events: installing, floor: untar,
		limits: []limit{{wallRatio, 0.9}, {peak, 24 * mib}}},
	{name: "10,000 files, zip", revision: "small", format: "zip", events: installing, floor: unzip, needs: "unzip",
		limits: []limit{{wallRatio, 0.9}, {peak, 24 * mib}}},
	{name: "10,000 files, directory", revision: "small", format: "directory", events: installing, floor: plain,
		limits: []limit{{wallRatio, 1.1}, {peak, 24 * mib}}},
	{name: "owner, group and mode, tar", revision: "owned", format: "tar", events: installing, root: true, against: "10,000 files, tar",
		limits: []limit{{wallRatio, 1.1}, {peak, 24 * mib}}},
	{name: "the same again, tar", revision: "small", format: "tar", events: installing, before: "small", against: "10,000 files, tar",
		limits: []limit{{wallRatio, 0.5}, {peak, 24 * mib}}},
	{name: "other files in their place, tar", revision: "other", format: "tar", events: installing, before: "small", against: "10,000 files, tar"},
	{name: "1 GiB file, tar", revision: "big", format: "tar", events: installing, floor: untar, large: true,
		limits: []limit{{wallRatio, 0.7}, {peak, 24 * mib}}},
	{name: "1 GiB file, zip", revision: "big", format: "zip", events: installing, floor: unzip, needs: "unzip", large: true,
		limits: []limit{{wallRatio, 0.17}, {peak, 24 * mib}}},
	{name: "1 GiB file of text, zip", revision: "text", format: "zip", events: installing, floor: unzip, needs: "unzip", large: true,
		limits: []limit{{peak, 24 * mib}}},
	{name: "1 GiB file, directory", revision: "big", format: "directory", events: installing, floor: plain, large: true,
		limits: []limit{{wallRatio, 1.1}, {peak, 24 * mib}}},
	{name: "ten events over the wire", play: tenEvents, limits: []limit{{wallSeconds, 0.5}}},
	{name: "10,000 files in one directory", revision: "flat10", format: "tar", events: installing, floor: untar, units: 10_000},
	{name: "100,000 files in one directory", revision: "flat100", format: "tar", events: installing, large: true,
		against: "10,000 files in one directory", units: 100_000, limits: []limit{{cpuRatio, 1.1}, {peak, 64 * mib}}},
	{name: "100 scripts", revision: "hooks", format: "directory", events: hooking, floor: scripted, units: 100},
	{name: "1,000 scripts", revision: "hooks10", format: "directory", events: hooking, floor: scripted, against: "100 scripts", units: 1000,
		limits: []limit{{cpuRatio, 1.2}, {peak, 64 * mib}}},
	{name: "one script", from: "1,000 scripts", less: "100 scripts", limits: []limit{{overFloor, 0.005}}},
	{name: "AppSpec of 0.1 MB, permissions", revision: "rules", format: "directory", events: installing, units: appSpecEntries / 10},
	{name: "AppSpec of 1 MB, permissions", revision: "rules10", format: "directory", events: installing, against: "AppSpec of 0.1 MB, permissions",
		units: appSpecEntries, limits: []limit{{cpuRatio, 1.2}, {peak, 64 * mib}}},
	{name: "AppSpec of 0.1 MB, files", revision: "entries", format: "directory", events: installing, units: appSpecEntries / 10},
	{name: "AppSpec of 1 MB, files", revision: "entries10", format: "directory", events: installing, against: "AppSpec of 0.1 MB, files",
		units: appSpecEntries, limits: []limit{{cpuRatio, 1.2}, {peak, 64 * mib}}},
}

// byName returns the work of a name.
func byName(name string) (w work, found bool) {
	for _, w := range works {
		if w.name == name {
			return w, true
		}
	}
	return w, false
}
