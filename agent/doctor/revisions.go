package doctor

import (
	"errors"
	"os"
	"path/filepath"

	"codedeploy-agent/agent/store"
	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks"
)

// revisions looks whether the scripts that the next deployments begin with are there: those of the group's last successful revision.
func (d *doctor) revisions() {
	const check = "revisions"
	groups, err := d.Store.Groups()
	if err != nil {
		d.add(check, Error, "run this as the agent's user, which is root as a rule", "%v", err)
		return
	}
	fine := 0
	for _, group := range groups {
		last, ok, err := d.Store.LastSuccessful(group)
		if err != nil {
			d.add(check, Error, "the agent does not follow it: the next deployment of the group fails", "deployment group %s: %v", group, err)
			continue
		}
		if !ok {
			continue
		}
		if d.stops(group, last) {
			fine++
		}
	}
	switch {
	case len(groups) == 0:
		d.add(check, OK, "", "nothing has been deployed here")
	case fine > 0:
		d.add(check, OK, "", "deployment groups whose next deployment finds the scripts it begins with: %d", fine)
	}
}

// stops says whether ApplicationStop and the events before it can run with a group's last successful revision, and tells if not.
func (d *doctor) stops(group string, last store.Deployment) bool {
	hint := "deploy once with the option to ignore ApplicationStop failures, or remove " + d.Store.LastSuccessfulFile(group) +
		": the next deployment then stops nothing"
	bad := func(err error) bool {
		d.add("revisions", Error, hint, "deployment group %s: the next deployment would fail at its first events, which run scripts of %s: %v", group, last.ID, err)
		return false
	}
	root, err := os.OpenRoot(last.Archive())
	if errors.Is(err, os.ErrNotExist) {
		return bad(errors.New(last.Archive() + " is missing"))
	}
	if err != nil {
		return bad(err)
	}
	defer root.Close()
	name, err := appspec.Find(root.FS(), "")
	if err != nil { // it may have had another name, which only the deployment knows
		d.add("revisions", Warning, "if the deployment names its AppSpec, all is well; else "+hint, "deployment group %s: %s: %v", group, last.Archive(), err)
		return false
	}
	path := filepath.Join(last.Archive(), name)
	data, err := appspec.ReadFile(root.FS(), name, path)
	if err != nil {
		return bad(err)
	}
	a, err := appspec.Parse(path, data)
	if err != nil {
		return bad(err)
	}
	var problems []error
	for _, event := range []string{hooks.BeforeBlockTraffic, hooks.AfterBlockTraffic, hooks.ApplicationStop} {
		for _, s := range a.Scripts(event) {
			if _, err := hooks.Check(last.Archive(), nil, s); err != nil {
				problems = append(problems, err)
			}
		}
	}
	if len(problems) > 0 {
		return bad(errors.Join(problems...))
	}
	return true
}
