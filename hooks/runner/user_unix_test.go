//go:build unix

package runner

import (
	"maps"
	"testing"
)

func TestParseEnvironmentFile(t *testing.T) {
	t.Parallel()
	got := parseEnvironmentFile("# for everybody\n\nPATH=\"/usr/bin:/snap/bin\"\nexport LANG='de_DE.UTF-8'\n  JAVA_HOME=/opt/java # the newest\r\n" +
		"A B=1\nNOTHING\n=x\nEMPTY=\nURL=a=b\n")
	want := map[string]string{"PATH": "/usr/bin:/snap/bin", "LANG": "de_DE.UTF-8", "JAVA_HOME": "/opt/java", "EMPTY": "", "URL": "a=b"}
	if !maps.Equal(got, want) {
		t.Errorf("parseEnvironmentFile() = %q, want %q", got, want)
	}
}
