package runner

// Error codes of a command's diagnostics, as the service knows them (official agent 1.8 and 2.x).
const (
	CodeSuccess         = 0
	CodeScriptMissing   = 1
	CodeNotExecutable   = 2
	CodeTimedOut        = 3
	CodeScriptFailed    = 4
	CodeUnknown         = 5
	CodeOutputsLeftOpen = 6
	CodeAfterRestart    = 7
)

// Failure is a lifecycle event that failed because of one of its scripts.
type Failure struct {
	Code    int
	Script  string // its location as the AppSpec has it
	Message string
	// Log is the end of the event's output, see Tail.
	Log string
}

// Error is the message, which names the script.
func (f *Failure) Error() string { return f.Message }
