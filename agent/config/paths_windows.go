package config

// The official agents' places.
const (
	defaultRootDir    = `C:\ProgramData\Amazon\CodeDeploy`
	defaultStateDir   = `C:\ProgramData\Amazon\CodeDeploy\state`
	defaultPidDir     = `C:\ProgramData\Amazon\CodeDeploy\state\.pid`
	defaultLogDir     = `C:\ProgramData\Amazon\CodeDeploy\log`
	defaultOnPremises = `C:\ProgramData\Amazon\CodeDeploy\conf.onpremises.yml`
)

// DefaultPath is where the configuration file is when none is named.
func DefaultPath() string { return `C:\ProgramData\Amazon\CodeDeploy\conf.yml` }
