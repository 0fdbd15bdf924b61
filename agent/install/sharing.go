package install

import "codedeploy-agent/agent/crew"

// sharing has something done with each of n things, which all processors share. Each call gets handles that no other goroutine uses. The first error
// ends it.
func sharing(n int, do func(to *handles, i int) error) error {
	var workers crew.Crew
	for first := 0; first < n; first += batchFiles {
		workers.Do(func() error {
			var to handles
			defer to.close()
			for i := first; i < min(first+batchFiles, n); i++ {
				if workers.Failed() {
					return nil
				}
				if err := do(&to, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return workers.Wait()
}
