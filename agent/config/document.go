package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Document writes a configuration file that has every setting with its meaning and default, all of them commented out.
func Document(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# Configuration of codedeploy-agent, by default %s.\n# Every setting may be left out; the values here are the defaults.\n", DefaultPath())
	for _, g := range groups {
		if g.keys[0].field == nil {
			continue
		}
		fmt.Fprintf(out, "\n# %s\n", g.title)
		for _, k := range g.keys {
			out.WriteString("\n")
			for _, line := range wrap(k.about, 100) {
				fmt.Fprintf(out, "# %s\n", line)
			}
			fmt.Fprintf(out, "#%s: %s\n", k.name, k.value)
		}
	}
	return out.Flush()
}

// Reference writes the settings as tables in Markdown.
func Reference(w io.Writer) error {
	out := bufio.NewWriter(w)
	for i, g := range groups {
		if i > 0 {
			out.WriteString("\n")
		}
		if g.keys[0].field == nil {
			fmt.Fprintf(out, "## %s\n\nThese keys of the official agents are accepted; a warning says that nothing comes of them.\n\n| key | why |\n| --- | --- |\n", g.title)
			for _, k := range g.keys {
				fmt.Fprintf(out, "| `%s` | %s |\n", k.name, k.about)
			}
			continue
		}
		fmt.Fprintf(out, "## %s\n\n| key | default | new host | allowed | meaning |\n| --- | --- | --- | --- | --- |\n", g.title)
		for _, k := range g.keys {
			value, newHost := "none", ""
			if k.value != "" {
				value = "`" + k.value + "`"
			}
			if k.onNewHost() {
				newHost = "`true`"
			}
			fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", k.name, value, newHost, k.allowed(), k.about)
		}
	}
	return out.Flush()
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
