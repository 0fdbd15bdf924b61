package lint

import "codedeploy-agent/appspec"

const (
	ruleScriptMissing       = "script-missing"
	ruleScriptOutside       = "script-outside"
	ruleScriptNotExecutable = "script-not-executable"
	ruleScriptEmpty         = "script-empty"
	ruleScriptLineEnds      = "script-line-ends"
	ruleScriptEncoding      = "script-encoding"
	ruleScriptInterpreter   = "script-interpreter"
	ruleNoInterpreter       = "script-no-interpreter"
	ruleScriptSyntax        = "script-syntax"
	ruleScriptShell         = "script-shell"

	ruleOpenOutput       = "open-output"
	ruleForeground       = "foreground-server"
	ruleStopFails        = "stop-fails"
	ruleConfirmation     = "asks-for-confirmation"
	ruleRelativePath     = "relative-path"
	ruleRemovesSystem    = "removes-system-directory"
	ruleUnsetVariable    = "removes-unset-variable"
	ruleRemovesInstalled = "removes-destination"
	ruleCurlStatus       = "curl-status"
	ruleChecksNothing    = "validates-nothing"
	ruleMetadataToken    = "metadata-token"
	ruleInteractiveShell = "interactive-shell"
	ruleStopsAgent       = "stops-agent"
)

var scriptRules = []Rule{
	{Name: ruleScriptMissing, Section: sectionScripts, Severity: appspec.Failing, Folder: appspec.Warning,
		Summary: "a script is not in the bundle",
		Why:     "The event fails with ScriptMissing. In a folder that is not the finished bundle the build may still put it there.",
		Mend:    "Write the path from the bundle's root, with exactly its spelling; backslashes are for Windows."},
	{Name: ruleScriptOutside, Section: sectionScripts, Severity: appspec.Failing,
		Summary: "a script's path leads out of the bundle",
		Why:     "This agent refuses it; the official ones would run a file of the host as root.",
		Mend:    "Put the script into the bundle and let it call what is on the host."},
	{Name: ruleScriptNotExecutable, Section: sectionScripts, Severity: Info,
		Summary: "scripts without the executable bit",
		Why:     "It works: the agent adds the bit and says so in its log.",
		Mend:    "`git update-index --chmod=+x FILE`, or `chmod +x` before the archive is built."},
	{Name: ruleScriptEmpty, Section: sectionScripts, Severity: Info,
		Summary: "an empty script",
		Why:     "It does nothing and succeeds.",
		Mend:    "Remove it from the AppSpec."},
	{Name: ruleScriptLineEnds, Section: sectionScripts, Severity: appspec.Failing, Varies: true,
		Summary: "a script for Linux has the line ends of Windows",
		Why:     "The carriage return becomes part of the interpreter's name, which is then not found, or of the last word of each command.",
		Mend:    "Save it with LF line ends and add `*.sh text eol=lf` to .gitattributes."},
	{Name: ruleScriptEncoding, Section: sectionScripts, Severity: appspec.Failing, Varies: true,
		Summary: "a script is UTF-16 or has a byte order mark",
		Why:     "The system does not see the `#!` at its beginning, and a shell runs the mark as a command.",
		Mend:    "Save it as UTF-8 without a byte order mark."},
	{Name: ruleScriptInterpreter, Section: sectionScripts, Severity: appspec.Failing, Varies: true,
		Summary: "the #! line does not work: a relative path, several arguments for env, or not at the very beginning",
		Why:     "The script cannot be started, or /bin/sh runs it instead.",
		Mend:    "Write `#!/bin/bash` as the first bytes of the file."},
	{Name: ruleNoInterpreter, Section: sectionScripts, Severity: Info,
		Summary: "a script without a #! line",
		Why:     "It works: /bin/sh runs it, which is dash on Debian and Ubuntu and bash elsewhere.",
		Mend:    "Begin it with `#!/bin/bash` or `#!/bin/sh`."},
	{Name: ruleScriptSyntax, Section: sectionScripts, Severity: appspec.Failing,
		Summary: "a shell script has a syntax error",
		Why:     "The shell stops there, and the event fails.",
		Mend:    "`bash -n FILE` says the same."},
	{Name: ruleScriptShell, Section: sectionScripts, Severity: Info,
		Summary: "a script for sh uses what only bash has",
		Why:     "It works where /bin/sh is bash (Amazon Linux, Red Hat) and fails where it is dash (Debian, Ubuntu).",
		Mend:    "Begin it with `#!/bin/bash`."},
}

var commandRules = []Rule{
	{Name: ruleOpenOutput, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "a background process keeps the script's output open",
		Why:     "The official agents wait for the output's end until the script's timeout and then fail the event. This agent goes on when the script ends.",
		Mend:    "`nohup COMMAND >/var/log/app.log 2>&1 </dev/null &`"},
	{Name: ruleForeground, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "ApplicationStart ends in a server that does not return",
		Why:     "The script runs into its timeout, the event fails and the server is ended.",
		Mend:    "Let systemd run it, or start it in the background with its output redirected."},
	{Name: ruleStopFails, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "ApplicationStop fails when the application does not run",
		Why:     "The next deployment then fails at its first event, and so does each one after it, because the last successful revision's script runs.",
		Mend:    "Add `|| true`, or look first whether it runs."},
	{Name: ruleConfirmation, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "a package manager that will ask for confirmation",
		Why:     "A script has no input: the answer is no, and the command fails.",
		Mend:    "Add `-y`."},
	{Name: ruleRelativePath, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "a relative path to something in the bundle",
		Why:     "Scripts do not start in the bundle but in the agent's directory, which is / as a rule.",
		Mend:    "Begin with `cd \"$(dirname \"$0\")\"` and write paths from there."},
	{Name: ruleRemovesSystem, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "rm -r of a directory of the system or of a whole home directory",
		Why:     "It removes more than the application.",
		Mend:    "Remove the application's own directory only."},
	{Name: ruleUnsetVariable, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "rm -r of a path that begins with a variable that the script does not set",
		Why:     "If it is not set, the path begins at /.",
		Mend:    "Write `${NAME:?}`, or begin the script with `set -u`."},
	{Name: ruleRemovesInstalled, Section: sectionCommands, Severity: Info,
		Summary: "a script before Install removes a destination",
		Why:     "That takes the application away before it is known whether the new one can be installed. The agent removes what the last deployment installed by itself.",
		Mend:    "If it is there because of \"file already exists\", write `file_exists_behavior: OVERWRITE` instead."},
	{Name: ruleCurlStatus, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "curl in ValidateService that does not look at the status",
		Why:     "An answer of 500 counts as healthy.",
		Mend:    "Add `--fail`."},
	{Name: ruleChecksNothing, Section: sectionCommands, Severity: Info,
		Summary: "ValidateService checks nothing",
		Why:     "It always succeeds, so that a broken application is a successful deployment.",
		Mend:    "Ask the application for its health, for example with `curl --fail --retry 10 --retry-connrefused`."},
	{Name: ruleMetadataToken, Section: sectionCommands, Severity: Info,
		Summary: "instance metadata without a token",
		Why:     "It fails on instances that require version 2 of the metadata service, the default of new images.",
		Mend:    "Get a token from /latest/api/token first and send it as X-aws-ec2-metadata-token."},
	{Name: ruleInteractiveShell, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "sudo su, or another shell without a command",
		Why:     "A script has no input, so that the shell ends at once; the commands after it run as the same user as those before.",
		Mend:    "Set `runas` in the AppSpec, or write `sudo -u USER COMMAND` for each command."},
	{Name: ruleStopsAgent, Section: sectionCommands, Severity: appspec.Warning,
		Summary: "a script stops or restarts the agent that runs it",
		Why:     "The official agents then fail the deployment.",
		Mend:    "Do it outside of deployments."},
}
