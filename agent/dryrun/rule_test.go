//go:build linux

package dryrun

import (
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	var rules []Rule
	for _, text := range []string{"systemctl=fail", "systemctl restart nginx=fail:7", "systemctl restart=ok", "npm=real", "aws ssm get-parameter=print:a=b: c"} {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	for call, want := range map[string]string{
		"systemctl stop nginx":                       "fail 1",
		"systemctl --quiet restart nginx.service":    "fail 7",
		"systemctl restart --no-block nginx":         "fail 7",
		"systemctl restart httpd":                    "ok 0",
		"npm run build":                              "real 0",
		"aws ssm --region x get-parameter --name /y": "print 0 a=b: c",
		"service nginx restart":                      "",
	} {
		words := strings.Fields(call)
		got := ""
		if r := ruleFor(rules, words[0], words[1:]); r != nil {
			got = strings.TrimSpace(r.Answer + " " + string(rune('0'+r.Code)) + " " + r.Text)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", call, got, want)
		}
	}
	for text, want := range map[string]string{
		"systemctl": "no command or no answer", "=fail": "no command", "ls=fail": "ls has no stand-in", "npm=fail:0": "from 1 to 255", "npm=fail:x": "from 1 to 255",
		"npm=real:x": "nothing follows", "npm=yes": "no answer",
	} {
		if _, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestSubCommands(t *testing.T) {
	for call, want := range map[string]bool{
		"npm ci": true, "npm --prefix=/x install": true, "npm run build": false, "npm start": false, "yarn": true, "yarn build": false, "pip list": false,
		"git pull origin": true, "git status": false, "yum list": true,
	} {
		words := strings.Fields(call)
		if got := find(words[0]).replaces(words[1:]); got != want {
			t.Errorf("%s: the stand-in answers: %v, want %v", call, got, want)
		}
	}
}
