package lint

import "codedeploy-agent/appspec"

// Names of this package's own rules. Those of the language are in package appspec.
const (
	ruleUnknownRule    = "unknown-rule"
	ruleAppSpecMissing = "appspec-missing"
	ruleAppSpecName    = "appspec-name"
	ruleNotAtRoot      = "appspec-not-at-root"
	ruleMacOS          = "macos-files"
	ruleUnreadable     = "unreadable"
	ruleArchive        = "archive"

	ruleUnknownEvent  = "unknown-event"
	ruleReservedEvent = "reserved-event"
	ruleECSEvent      = "ecs-event"
	ruleNeverRuns     = "event-never-runs"
	ruleLongTimeout   = "timeout-too-long"
	ruleTimeoutSum    = "timeout-sum"
	ruleRunAsWindows  = "runas-windows"

	ruleSourceMissing       = "source-missing"
	ruleSourceOutside       = "source-outside"
	ruleTargetClash         = "target-clash"
	ruleDestinationRelative = "destination-relative"
	ruleDestinationVariable = "destination-variable"
	ruleDestinationFile     = "destination-file-name"

	rulePermissionUseless = "permission-useless"
	rulePermissionNoMatch = "permission-no-match"
	rulePermissionTwice   = "permission-twice"
	rulePermissionFile    = "permission-on-file"
	rulePatternNever      = "pattern-never-matches"
	rulePatternSpecial    = "pattern-special"
	ruleDefaultACL        = "default-acl-on-file"
	ruleSetIDLost         = "set-id-lost"
	ruleWorldWritable     = "world-writable"
	ruleContextRange      = "context-range"
)

var languageRules = []Rule{
	{Name: appspec.RuleYAML, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "the file is not valid YAML, or not a mapping",
		Why:     "No agent can read it: the deployment fails before anything is done.",
		Mend:    "The hint names the usual reasons: a key that is indented differently from its siblings, `timeout:300` or `-source:` without a blank, `version 0.0` without a colon, text beginning with `*`, `{` or `[` without quotes, rests of a template or of a merge."},
	{Name: appspec.RuleDocument, Section: sectionLanguage, Severity: appspec.Failing, Varies: true,
		Summary: "part of the file does not count, because its first YAML document ends before",
		Why:     "Agents read the first document only. It ends at `---`, at `...` and before a line that is indented less than the first one.",
		Mend:    "Remove the marks, and indent all top-level keys alike."},
	{Name: appspec.RuleLimits, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "the file is larger than an AppSpec can be, also through YAML aliases",
		Why:     "The agent refuses it, to be safe from files that are made to exhaust it.",
		Mend:    "Write entries out instead of nesting aliases."},
	{Name: appspec.RuleDuplicateKey, Section: sectionLanguage, Severity: appspec.Warning,
		Summary: "a mapping has a key twice",
		Why:     "Only the last one counts; of an event that is there twice, the scripts of the first never run.",
		Mend:    "Merge the two or remove one."},
	{Name: appspec.RuleUnknownKey, Section: sectionLanguage, Severity: appspec.Warning,
		Summary: "a key has no meaning where it stands: misspelt, at the wrong level, or copied from somewhere else",
		Why:     "Every agent ignores it without a word. `overwrite: true` under `files`, which many blogs show, has no effect: the deployment still fails when a file exists.",
		Mend:    "Use the key that the hint names; for `overwrite` that is `file_exists_behavior: OVERWRITE` at the top level of the file."},
	{Name: appspec.RuleVersion, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "the version is missing or is not 0.0",
		Why:     "There is one version of the AppSpec for EC2 and on-premises hosts, and it is 0.0; 0.2 is the version of a buildspec.",
		Mend:    "Write `version: 0.0`, without quotes."},
	{Name: appspec.RuleOS, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "the os is missing or is not linux or windows",
		Why:     "The deployment fails. The name of a distribution is not an os.",
		Mend:    "Write `os: linux` for every kind of Linux, `os: windows` for Windows Server."},
	{Name: appspec.RuleFileExists, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "file_exists_behavior is not DISALLOW, OVERWRITE or RETAIN",
		Why:     "The deployment fails. The words are in capitals.",
		Mend:    "Write one of the three words, or leave the key out for DISALLOW."},
	{Name: appspec.RuleFiles, Section: sectionLanguage, Severity: appspec.Failing, Varies: true,
		Summary: "an entry of files lacks its source or its destination, or files is no list",
		Why:     "The deployment fails.",
		Mend:    "Each entry is a mapping of `source` and `destination`."},
	{Name: appspec.RulePermissions, Section: sectionLanguage, Severity: appspec.Failing, Varies: true,
		Summary: "an entry of permissions lacks its object or has a type that is not file or directory, or there are permissions for Windows",
		Why:     "The deployment fails.",
		Mend:    "Each entry is a mapping with an `object`; `type` is a list of `file` and `directory`. Windows has no permissions section."},
	{Name: appspec.RuleMode, Section: sectionLanguage, Severity: appspec.Failing, Varies: true,
		Summary: "a mode is not one to four octal digits, or is another one than it seems",
		Why:     "Without quotes, digits after a 0 are an octal number in YAML 1.1: the official agent 1.8 reads `0644` as 420. Symbolic modes are not understood.",
		Mend:    "Write `644`, or `\"0644\"` in quotes."},
	{Name: appspec.RuleACL, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "an entry of acls cannot be read",
		Why:     "The deployment fails. An entry is `[default:]type:name:permissions`; the owner's, the group's and others' permissions come from the mode.",
		Mend:    "For example `user:alice:rwx`, `group:www:r-x`, `mask::rx` or `default:user:alice:rwx`."},
	{Name: appspec.RuleContext, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "an SELinux context lacks its type or has a range that cannot be read",
		Why:     "The deployment fails.",
		Mend:    "Write `type`, and if need be `name` and a `range` such as `s0` or `s0:c1.c3`."},
	{Name: appspec.RuleHooks, Section: sectionLanguage, Severity: appspec.Failing, Varies: true,
		Summary: "a script of an event lacks its location, or hooks, an event or a script has the wrong form",
		Why:     "The deployment fails, or the official agent 1.8 crashes.",
		Mend:    "Under `hooks` events are keys; each has a list of scripts; each script begins with `- location:` and a path in the bundle. Commands cannot be written into the AppSpec: put them into a script."},
	{Name: appspec.RuleTimeout, Section: sectionLanguage, Severity: appspec.Failing, Varies: true,
		Summary: "a timeout is not a whole number of seconds from 1",
		Why:     "The deployment fails, or the timeout is another one than it seems: `5m` counts as 5 seconds and `1:30` as an hour and a half.",
		Mend:    "Write seconds, without a unit."},
	{Name: appspec.RuleOfficial, Section: sectionLanguage, Severity: appspec.Failing,
		Summary: "the file is read by this agent and refused by the official ones",
		Why:     "A bundle that hosts with the official agent cannot deploy is a surprise in a mixed fleet.",
		Mend:    "Write it in the way that the hint names, or disable the rule if all hosts run this agent."},
	{Name: ruleUnknownRule, Section: sectionLanguage, Severity: appspec.Warning,
		Summary: "a comment disables a rule that does not exist",
		Why:     "The comment has no effect.",
		Mend:    "Write the rule's name as `codedeploy-agent validate --rules` lists it."},
}

var bundleRules = []Rule{
	{Name: ruleAppSpecMissing, Section: sectionBundle, Severity: appspec.Failing,
		Summary: "there is no AppSpec",
		Why:     "DownloadBundle or the first event fails: \"did not find an AppSpec file within the unpacked revision directory\".",
		Mend:    "Put appspec.yml at the root of the bundle, or name its path with `--appspec-filename`, as the deployment does."},
	{Name: ruleAppSpecName, Section: sectionBundle, Severity: appspec.Failing, Varies: true,
		Summary: "the AppSpec has a name under which agents do not find it, or another one beside it counts",
		Why:     "Names are case-sensitive: `AppSpec.yml` or `appspec.YML` works on a developer's Mac and not on a host. Release 2.x of the official agent does not find `appspec.yaml` at DownloadBundle.",
		Mend:    "Rename the file to `appspec.yml`."},
	{Name: ruleNotAtRoot, Section: sectionBundle, Severity: appspec.Failing, Folder: appspec.Warning,
		Summary: "the AppSpec is in a sub-directory",
		Why:     "Agents look at the root of the bundle. A build that moves it there is fine; a bundle of the folder as it is would fail.",
		Mend:    "Validate what the build makes, or build the bundle inside that directory."},
	{Name: ruleMacOS, Section: sectionBundle, Severity: appspec.Warning,
		Summary: "the bundle has the directory __MACOSX, which the Finder of macOS adds to archives",
		Why:     "An archive of one folder is unpacked without that folder; with `__MACOSX` beside it, it is not, and the AppSpec is not found.",
		Mend:    "Build the archive with `zip -r bundle.zip . -x '__MACOSX/*' '.DS_Store'` or `aws deploy push`."},
	{Name: ruleUnreadable, Section: sectionBundle, Severity: appspec.Failing, Varies: true,
		Summary: "something in the bundle cannot be read, so it was not checked",
		Why:     "What is not read is not checked.",
		Mend:    "Give the user who validates the permission to read it; split a script that is too long."},
	{Name: ruleArchive, Section: sectionBundle, Severity: appspec.Failing,
		Summary: "the archive cannot be unpacked",
		Why:     "The agent would refuse it at DownloadBundle: it is damaged, cut short, holds devices or names that climb out of it, or unpacks to far more than it is.",
		Mend:    "The message names the entry and the reason."},
}

var eventRules = []Rule{
	{Name: ruleUnknownEvent, Section: sectionEvents, Severity: appspec.Warning,
		Summary: "no lifecycle event has that name",
		Why:     "The service never sends it, so its scripts never run, without a word. Only deploy-local runs it, when `--events` names it.",
		Mend:    "Write the name that the hint proposes; names are case-sensitive."},
	{Name: ruleReservedEvent, Section: sectionEvents, Severity: appspec.Warning,
		Summary: "scripts for an event that belongs to the agent or the service: DownloadBundle, Install, BlockTraffic, AllowTraffic, Start, End",
		Why:     "They never run.",
		Mend:    "Use the event before or after it, such as BeforeInstall or AfterInstall."},
	{Name: ruleECSEvent, Section: sectionEvents, Severity: appspec.Warning,
		Summary: "scripts for an event of ECS or Lambda deployments",
		Why:     "The service never sends it to hosts.",
		Mend:    "Use an event of EC2/on-premises deployments, such as ValidateService."},
	{Name: ruleNeverRuns, Section: sectionEvents, Severity: appspec.Warning, Varies: true,
		Summary: "an event that the deployment does not have",
		Why:     "The events around BlockTraffic and AllowTraffic are only sent when the deployment group has a load balancer. Without `--deployment-type` this is advice.",
		Mend:    "Move the scripts to ApplicationStop or ValidateService, or deploy with a load balancer."},
	{Name: ruleLongTimeout, Section: sectionEvents, Severity: appspec.Warning,
		Summary: "a timeout of more than 3600 seconds",
		Why:     "The service ends an event after 3600 seconds; that cannot be raised.",
		Mend:    "Lower it, and let long work go on in the background or outside of the deployment."},
	{Name: ruleTimeoutSum, Section: sectionEvents, Severity: appspec.Warning,
		Summary: "the timeouts of an event's scripts are more than 3600 seconds together; one that is not given counts as 3600",
		Why:     "The service gives a whole event 3600 seconds, however many scripts it has.",
		Mend:    "Give each script a timeout so that the sum is at most 3600."},
	{Name: ruleRunAsWindows, Section: sectionEvents, Severity: appspec.Warning,
		Summary: "runas in an AppSpec for Windows",
		Why:     "It is ignored there: scripts run as the agent's account, LocalSystem.",
		Mend:    "Remove it; start what needs another account from the script."},
}

var fileRules = []Rule{
	{Name: ruleSourceMissing, Section: sectionFiles, Severity: appspec.Failing, Folder: appspec.Warning,
		Summary: "a source is not in the bundle",
		Why:     "Install fails. In a folder that is not the finished bundle it may be a product of the build. Wildcards are not expanded.",
		Mend:    "Name a file or a directory of the bundle, with exactly its spelling."},
	{Name: ruleSourceOutside, Section: sectionFiles, Severity: appspec.Failing,
		Summary: "a source leads out of the bundle",
		Why:     "This agent refuses it; the official ones would install files of the host.",
		Mend:    "Put the file into the bundle."},
	{Name: ruleTargetClash, Section: sectionFiles, Severity: appspec.Failing,
		Summary: "two sources have one target, or one has a directory where another has a file",
		Why:     "Install fails: a target may be named once.",
		Mend:    "Leave one of the entries out, or give it another destination."},
	{Name: ruleDestinationRelative, Section: sectionFiles, Severity: appspec.Failing, Varies: true,
		Summary: "a destination is not an absolute path",
		Why:     "It counts from the root directory, where agents start, and a path of Windows makes a directory of that name on Linux. That is hardly ever what was meant.",
		Mend:    "Write the full path of a directory on the host."},
	{Name: ruleDestinationVariable, Section: sectionFiles, Severity: appspec.Warning,
		Summary: "a destination or object has a variable, a placeholder or a tilde",
		Why:     "The AppSpec has no variables: `$HOME/app` is a directory named `$HOME`, and `~` is the home of root at best.",
		Mend:    "Write the path out, or let the build fill it in."},
	{Name: ruleDestinationFile, Section: sectionFiles, Severity: appspec.Warning,
		Summary: "a destination repeats the name of the file that goes there",
		Why:     "A destination is a directory: `app.conf` to `/etc/app/app.conf` makes `/etc/app/app.conf/app.conf`.",
		Mend:    "Name the directory, `/etc/app`."},
}

var permissionRules = []Rule{
	{Name: rulePermissionUseless, Section: sectionPermissions, Severity: appspec.Warning,
		Summary: "an entry of permissions sets nothing",
		Why:     "It has no owner, group, mode, acls or context.",
		Mend:    "Add what it is to set, or remove it."},
	{Name: rulePermissionNoMatch, Section: sectionPermissions, Severity: appspec.Warning,
		Summary: "an entry of permissions applies to nothing that the bundle installs",
		Why:     "It is ignored without a word. Permissions are for the files and directories that this Install makes at or below the object; a directory that is the object, and what was on the host before, do not get them.",
		Mend:    "Name the destination or something below it as object, and check pattern, except and type; change other files in an AfterInstall script."},
	{Name: rulePermissionTwice, Section: sectionPermissions, Severity: appspec.Failing,
		Summary: "two entries of permissions apply to one file or directory",
		Why:     "Install fails: \"permissions are specified more than once\".",
		Mend:    "Make them exclude each other with except, pattern or type."},
	{Name: rulePermissionFile, Section: sectionPermissions, Severity: appspec.Failing, Varies: true,
		Summary: "the object is a file, and the entry has a pattern or except, or is for directories only",
		Why:     "Pattern and except of a file make Install fail; with the type directory the entry has no effect.",
		Mend:    "Leave out pattern, except and type, or name the directory as object."},
	{Name: rulePatternNever, Section: sectionPermissions, Severity: appspec.Warning,
		Summary: "a pattern or except with a slash",
		Why:     "A pattern is compared with names directly below the object; only `**` itself reaches deeper. With a slash it never matches, and an except never excludes.",
		Mend:    "Make the sub-directory the object of an entry of its own."},
	{Name: rulePatternSpecial, Section: sectionPermissions, Severity: Info,
		Summary: "a pattern with *, and ?, [ or { beside it",
		Why:     "Only `*` is special here and in the official agent 1.8; release 2.x gives the others a meaning, too.",
		Mend:    "Write patterns with `*` only."},
	{Name: ruleDefaultACL, Section: sectionPermissions, Severity: appspec.Failing,
		Summary: "default entries of an acl for a file",
		Why:     "Install fails: only directories can have them.",
		Mend:    "Set `type: [directory]`, and give files an entry of their own."},
	{Name: ruleSetIDLost, Section: sectionPermissions, Severity: appspec.Warning,
		Summary: "a set-user-id or set-group-id mode together with an owner or group",
		Why:     "The official agents change the owner after the mode, and Linux then clears the bits. This agent keeps them.",
		Mend:    "Set the mode in an AfterInstall script if hosts run an official agent."},
	{Name: ruleWorldWritable, Section: sectionPermissions, Severity: appspec.Warning,
		Summary: "a mode, in permissions or in a chmod of a script, that lets everybody write",
		Why:     "Every account and every compromised service of the host can change the application.",
		Mend:    "Give the file to the account that needs it, and use 755, 644, 775 or 664."},
	{Name: ruleContextRange, Section: sectionPermissions, Severity: appspec.Warning,
		Summary: "an SELinux context without a range",
		Why:     "The official agent 1.8 fails at Install then, although the user guide calls the range optional.",
		Mend:    "Add `range: s0` if hosts run the official agent 1.8."},
}
