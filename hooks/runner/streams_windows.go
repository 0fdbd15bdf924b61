package runner

import (
	"os"
	"sync"
)

// copyStreams logs what a script prints until both outputs have ended.
func (o *output) copyStreams(stdout, stderr *os.File) {
	var both sync.WaitGroup
	for _, x := range []struct {
		mark string
		from *os.File
	}{{"[stdout]", stdout}, {"[stderr]", stderr}} {
		both.Go(func() {
			s := stream{out: o, mark: x.mark}
			defer s.end()
			buf := make([]byte, 32<<10)
			for {
				n, err := x.from.Read(buf)
				o.intake.busy.Add(1)
				o.intake.bytes.Add(int64(n))
				s.add(buf[:n])
				o.intake.busy.Add(-1)
				if err != nil {
					return
				}
			}
		})
	}
	both.Wait()
}
