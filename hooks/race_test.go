//go:build race

package hooks

// runnerLimit is how many MiB a runner may use; the race detector takes many times what the program does.
const runnerLimit = 512
