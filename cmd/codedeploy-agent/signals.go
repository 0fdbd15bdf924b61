package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"codedeploy-agent/agent"
)

// handOverGrace is how long an agent that hands over still works, so that a command that is on its way to it gets on disk.
const handOverGrace = 2 * time.Second

// untilSignal returns a context that ends with the first signal to stop and one that ends with the second. The signal to hand over
// ends both, one after the other.
func untilSignal() (stop, abandon context.Context, release func()) {
	stop, cancelStop := context.WithCancel(context.Background())
	abandon, cancelAbandon := context.WithCancelCause(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, append([]os.Signal{os.Interrupt, syscall.SIGTERM}, handOverSignals...)...)
	go func() {
		for handingOver := false; ; {
			switch s := <-c; {
			case handingOver: // it ends by itself; a service manager may send its own signal right after
			case slices.Contains(handOverSignals, s):
				handingOver = true
				time.AfterFunc(handOverGrace, func() { cancelAbandon(agent.ErrHandOver) })
			case stop.Err() != nil:
				cancelAbandon(nil)
			}
			cancelStop()
		}
	}()
	return stop, abandon, func() { signal.Stop(c) }
}
