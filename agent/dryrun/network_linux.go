package dryrun

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
)

// fetch stands in for curl and wget: what a server of the view answers is real, what anybody else would have answered is not known.
func fetch(c *call) int {
	var addresses []string
	output, format, remoteName := "", "", c.name == "wget"
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		next := func() string {
			if i++; i < len(c.args) {
				return c.args[i]
			}
			return ""
		}
		switch {
		case a == "-o" || a == "--output":
			output = next()
		case c.name == "wget" && (a == "-O" || a == "--output-document"):
			output = next()
		case a == "-w" || a == "--write-out":
			format = next()
		case a == "-O" || a == "--remote-name":
			remoteName = true
		case strings.HasPrefix(a, "-o") && !strings.HasPrefix(a, "--") && len(a) > 2 && c.name == "curl":
			output = a[2:]
		case c.name == "curl" && combined(a, 'o'):
			output = next()
		case c.name == "curl" && combined(a, 'O'):
			remoteName = true
		case c.name == "wget" && (combined(a, 'O')):
			output = next()
		case slices.Contains([]string{"-H", "-X", "-d", "-u", "-A", "-m", "-T", "-F", "-b", "-c", "-e", "--header", "--request", "--data", "--user", "--max-time",
			"--connect-timeout", "--retry", "--retry-delay", "--data-raw", "--data-binary", "--user-agent", "--form", "--retry-max-time", "-t", "-P"}, a):
			next()
		case !strings.HasPrefix(a, "-"):
			addresses = append(addresses, a)
		}
	}
	if len(addresses) == 0 {
		return c.real()
	}
	answers := []string{}
	for _, address := range addresses {
		host := hostOf(address)
		switch {
		case local(host):
			return c.real()
		case host == metadataAddress:
			text, ok := metadata(address)
			if !ok {
				fmt.Fprintf(os.Stderr, "%s: (22) The requested URL returned error: 404\n", c.name)
				return c.record(22, "answered, as the instance metadata, that there is no such thing")
			}
			answers = append(answers, text)
		default:
			answers = append(answers, "")
		}
	}
	text := strings.Join(answers, "")
	if output == "" && remoteName {
		if u, err := url.Parse(addresses[len(addresses)-1]); err == nil {
			output = path.Base(u.Path)
		}
	}
	switch output {
	case "", "-":
		fmt.Print(text)
	case "/dev/null":
	default:
		if err := os.WriteFile(output, []byte(text), 0o644); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
			return c.record(23, "could not write %s: %v", output, err)
		}
	}
	if format != "" {
		fmt.Print(strings.NewReplacer("%{http_code}", "200", "%{response_code}", "200", `\n`, "\n").Replace(format))
	}
	if text != "" {
		return c.record(0, "answered as the instance metadata of an instance that does not exist")
	}
	return c.record(0, "not fetched; answered success with nothing in it")
}

// combined says whether several one-letter options in one word end with the given one.
func combined(a string, letter byte) bool {
	return len(a) > 2 && a[0] == '-' && a[1] != '-' && a[len(a)-1] == letter
}

// hostOf is the host of an address, which may lack its scheme.
func hostOf(address string) string {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// local says whether a host is the view itself.
func local(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "0.0.0.0" || host == "" {
		return true
	}
	if name, err := os.Hostname(); err == nil && host == name {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

const metadataAddress = "169.254.169.254"

// metadata is the instance metadata of an instance that does not exist.
func metadata(address string) (string, bool) {
	_, rest, _ := strings.Cut(address, metadataAddress)
	name := strings.Trim(rest, "/")
	if i := strings.Index(name, "/"); i >= 0 {
		name = name[i+1:] // without the version
	}
	text, ok := map[string]string{
		"api/token":                             "dry-run-token",
		"meta-data/instance-id":                 "i-0123456789abcdef0",
		"meta-data/local-ipv4":                  "127.0.0.1",
		"meta-data/public-ipv4":                 "127.0.0.1",
		"meta-data/hostname":                    "localhost",
		"meta-data/local-hostname":              "localhost",
		"meta-data/public-hostname":             "localhost",
		"meta-data/instance-type":               "t3.micro",
		"meta-data/placement/region":            "us-east-1",
		"meta-data/placement/availability-zone": "us-east-1a",
		"dynamic/instance-identity/document": `{"region":"us-east-1","availabilityZone":"us-east-1a","instanceId":"i-0123456789abcdef0",` +
			`"accountId":"123456789012","instanceType":"t3.micro","privateIp":"127.0.0.1"}`,
	}[name]
	return text, ok
}

// docker stands in for container engines. Nothing runs; what a script reads of them is plausible for a host without containers.
func docker(c *call) int {
	switch verb := subCommand(c.args); verb {
	case "run", "create", "start":
		if slices.Contains(c.args, "-d") || slices.Contains(c.args, "--detach") || verb == "create" {
			fmt.Println(strings.Repeat("0123456789abcdef", 4))
		}
	case "login":
		fmt.Println("Login Succeeded")
	case "--version", "version":
		return c.real()
	}
	return c.record(0, "not done; answered success")
}

// aws stands in for the AWS command line. A value that a script reads is one that can be recognised.
func aws(c *call) int {
	words := c.words()
	name := strings.Join(words[:min(2, len(words))], " ")
	if len(words) == 0 || strings.HasPrefix(name, "configure") {
		return c.real()
	}
	asText := false
	for i, a := range c.args {
		if a == "--output=text" || a == "--output" && i+1 < len(c.args) && c.args[i+1] == "text" {
			asText = true
		}
	}
	const value = "dry-run-value"
	var text string
	switch name {
	case "ecr get-login-password":
		text = "dry-run-password"
	case "ecr get-authorization-token":
		text = `{"authorizationData":[{"authorizationToken":"` + value + `"}]}`
	case "ssm get-parameter":
		text = `{"Parameter":{"Name":"dry-run","Value":"` + value + `"}}`
	case "ssm get-parameters", "ssm get-parameters-by-path":
		text = `{"Parameters":[{"Name":"dry-run","Value":"` + value + `"}]}`
	case "secretsmanager get-secret-value":
		text = `{"Name":"dry-run","SecretString":"{}"}`
	case "sts get-caller-identity":
		text = `{"Account":"123456789012","UserId":"dry-run","Arn":"arn:aws:iam::123456789012:user/dry-run"}`
	case "s3 cp", "s3 sync", "s3 mv", "s3 ls", "s3 rm":
	default:
		text = "{}"
	}
	if asText && strings.HasPrefix(text, "{") {
		text = value
		if name == "sts get-caller-identity" {
			text = "123456789012"
		}
	}
	if text != "" {
		fmt.Println(text)
		return c.record(0, "not asked; answered %s", text)
	}
	return c.record(0, "not done; answered success")
}
