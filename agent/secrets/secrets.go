// Package secrets keeps what nobody must be told out of what is told: the log, errors, results, the terminal.
//
// There are two nets. A Register knows the values that this process was given and finds them wherever they stand. Redact finds what looks like a
// secret whoever gave it: passwords in addresses, signatures and tokens in queries and headers, access keys.
package secrets

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// mask takes the place of a secret.
const mask = "[redacted]"

// shortest is the length of a value, in bytes, from which on a Register looks for it: a shorter one stands in other words by chance, and
// leaving it out of them would tell it.
const shortest = 6

// Register knows the secrets of a process. The zero value and nil know none. Its methods may be called from any goroutine.
type Register struct {
	mu       sync.Mutex
	forGood  []string
	renewed  map[string][2][]string // by owner: the latest values and those before
	replacer *strings.Replacer      // nil when it has to be made anew
}

// Add makes values known for as long as the process lives. Empty ones and those of less than six bytes are left out.
func (r *Register) Add(values ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if len(v) >= shortest && !slices.Contains(r.forGood, v) {
			r.forGood, r.replacer = append(r.forGood, v), nil
		}
	}
}

// Renew makes values known that take the place of the owner's earlier ones, like credentials that expire. Those right before them stay known:
// a request that is under way may still fail with them.
func (r *Register) Renew(owner string, values ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.renewed == nil {
		r.renewed = map[string][2][]string{}
	}
	if held := r.renewed[owner]; !slices.Equal(held[0], values) {
		r.renewed[owner], r.replacer = [2][]string{slices.Clone(values), held[0]}, nil
	}
}

// AddURL makes the password of an address known, like that of a proxy. The user's name is not a secret by itself.
func (r *Register) AddURL(address string) {
	if !strings.Contains(address, "://") {
		address = "http://" + address // as proxies are given in variables
	}
	u, err := url.Parse(address)
	if err != nil {
		return // nothing uses it either
	}
	if password, ok := u.User.Password(); ok {
		_, raw, _ := strings.Cut(u.User.String(), ":")
		r.Add(password, raw, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))) // as it is sent
	}
}

// Redact leaves the known values out of s, and what Redact leaves out.
func (r *Register) Redact(s string) string {
	if r == nil {
		return Redact(s)
	}
	return Redact(r.known().Replace(s))
}

func (r *Register) known() *strings.Replacer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replacer != nil {
		return r.replacer
	}
	var forms []string
	add := func(values []string) {
		for _, v := range values {
			if len(v) >= shortest {
				forms = append(forms, v, url.QueryEscape(v), url.PathEscape(v), unquoted(strconv.Quote(v)), unquoted(inJSON(v)))
			}
		}
	}
	add(r.forGood)
	for _, generations := range r.renewed {
		add(generations[0])
		add(generations[1])
	}
	// Of two that begin at the same place the longer one counts.
	slices.SortFunc(forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, mask)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r.replacer
}

// inJSON is the value as encoding/json writes it. Others leave <, > and & as they are, as Go's quotes do.
func inJSON(v string) string {
	text, err := json.Marshal(v)
	if err != nil {
		return v
	}
	return string(text)
}

func unquoted(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }
