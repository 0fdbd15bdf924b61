package main

import (
	"strings"
	"testing"
)

// The unit of a host without the package is the package's, with another program.
func TestServiceOfAHostWithoutThePackage(t *testing.T) {
	t.Parallel()
	c := serviceConfig("/usr/local/bin/codedeploy-agent", "/etc/agent.yml")
	unit, _ := c.Option["SystemdScript"].(string)
	for _, want := range []string{"exec /usr/local/bin/codedeploy-agent run --config-file /etc/agent.yml'\n", "Type=notify\n", "KillMode=process\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %q:\n%s", want, unit)
		}
	}
	if strings.Contains(unit, "/opt/") || strings.Contains(unit, "{{") {
		t.Errorf("the unit still names the package's program:\n%s", unit)
	}
}
