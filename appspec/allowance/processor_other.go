//go:build !unix

package allowance

import "time"

var began = time.Now()

// processorTime is what the clock has moved on.
func processorTime() time.Duration { return time.Since(began) }
