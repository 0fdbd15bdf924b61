package lint

const (
	ruleNoTimeout       = "hook-without-timeout"
	ruleNoValidation    = "no-validate-service"
	ruleTemporary       = "destination-temporary"
	ruleSudoAsRoot      = "sudo-as-root"
	ruleNoErrexit       = "no-errexit"
	ruleKillNine        = "kill-9"
	ruleInstallsInHook  = "installs-in-hook"
	ruleFetchesCode     = "fetches-code"
	ruleRunsWhatItLoads = "runs-what-it-downloads"
)

// adviceRules are about habits that work and that so many bundles have that they are only told to those who ask.
var adviceRules = []Rule{
	{Name: ruleNoTimeout, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "a script without a timeout",
		Why:     "It may take an hour. One that hangs keeps the deployment waiting for that long.",
		Mend:    "Give it a timeout of a few times what it takes."},
	{Name: ruleNoValidation, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "hooks, and none for ValidateService",
		Why:     "The deployment succeeds whether or not the application answers, and with a load balancer traffic goes to it.",
		Mend:    "Add a script for ValidateService that asks the application for its health."},
	{Name: ruleTemporary, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "a destination in /tmp or /var/tmp",
		Why:     "Everybody may write there, and hosts remove what is old, at a restart or by and by.",
		Mend:    "Run scripts and read files where they are in the bundle, next to `$0`, or install to a directory of the application."},
	{Name: ruleSudoAsRoot, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "sudo in a script that runs as root",
		Why:     "It changes nothing, and fails on a host without sudo.",
		Mend:    "Leave sudo out, or set `runas` to the user that needs it."},
	{Name: ruleNoErrexit, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "a script of several commands that goes on when one fails",
		Why:     "Only the last command's result counts. A failed build or migration is a successful deployment.",
		Mend:    "Begin it with `set -e`, and write `|| true` behind what may fail."},
	{Name: ruleKillNine, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "kill -9",
		Why:     "The process cannot end what it is at: requests are cut off, files are left half written.",
		Mend:    "Send TERM first and wait, or let systemd stop it."},
	{Name: ruleInstallsInHook, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "a script installs packages",
		Why:     "Each host fetches them again, perhaps in other versions, and the deployment fails when a registry does. That hurts most when instances are added under load.",
		Mend:    "Put what the application needs into the bundle, and what the host needs into the image."},
	{Name: ruleFetchesCode, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "a script fetches code with git",
		Why:     "What runs is then not the revision that was deployed, and going back to an earlier revision does not bring it back.",
		Mend:    "Put the code into the bundle."},
	{Name: ruleRunsWhatItLoads, Section: sectionAdvice, Severity: Info, Advice: true,
		Summary: "a download is piped into a shell",
		Why:     "Whoever answers runs commands on the host, and half an answer runs half of them.",
		Mend:    "Put the installer into the bundle or the image, or download it, compare its checksum and run it then."},
}
