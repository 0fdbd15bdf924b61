//go:build !race

package hooks

// runnerLimit is how many MiB a runner may use.
const runnerLimit = 48
