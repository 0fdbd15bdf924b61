package dryrun

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// fetch stands in for curl and wget: what a server of the view answers is real, what anybody else would have answered is not known.
func fetch(c *call) int {
	var addresses []string
	output, format, remoteName := "", "", c.name == "wget"
	failing, pretended := c.name == "wget", ""
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
		case a == "-f" || a == "--fail" || a == "--fail-with-body":
			failing = true
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
		failing = failing || len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.Trim(a[1:], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && strings.Contains(a, "f")
	}
	if len(addresses) == 0 {
		return c.real()
	}
	answers := []string{}
	for _, address := range addresses {
		host := hostOf(address)
		switch {
		case local(host):
			who := pretendedListener(portOf(address))
			if who == "" {
				return c.real()
			}
			answers = append(answers, "")
			pretended = who
		case host == metadataAddress:
			text, ok := metadata(address)
			if !ok && !failing {
				answers = append(answers, "")
				continue
			}
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
	if pretended != "" {
		return c.record(0, "nobody listens there in the view; answered success with nothing in it, for %s was not really started", pretended)
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

// portOf is the port of an address, its scheme's if it has none.
func portOf(address string) int {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	return map[string]int{"http": 80, "https": 443}[u.Scheme]
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
