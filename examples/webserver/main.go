// Command webserver is the application that the example revision deploys: a small web server that says which version
// it is, and whether it is well. With -check it is the client that the revision's hooks use, so that a host needs no
// curl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	config := flag.String("config", "site.conf", "`file` with the settings version and greeting")
	check := flag.String("check", "", "ask this `URL` instead of serving; exit 0 if it answers 200")
	expect := flag.String("expect", "", "with -check: the `version` that must answer")
	within := flag.Duration("within", 5*time.Second, "with -check: how long to keep asking")
	flag.Parse()
	var err error
	switch {
	case flag.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *check != "":
		err = ask(*check, *expect, *within)
	default:
		err = serve(*listen, *config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "webserver:", err)
		os.Exit(1)
	}
}

// settings reads lines of the form key=value; blank lines and lines that begin with # are left out.
func settings(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w", err)
	}
	found := map[string]string{}
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("cannot read the settings: %s line %d: %q is not key=value", path, n+1, line)
		}
		found[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	if found["version"] == "" {
		return nil, fmt.Errorf("cannot start: %s sets no version", path)
	}
	return found, nil
}

func serve(address, config string) error {
	set, err := settings(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	server := &http.Server{Handler: handler(set, config), ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	drained := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// Answer what was asked before going.
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		drained <- server.Shutdown(limit)
	}()
	fmt.Printf("version %s listens on %s\n", set["version"], listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve: %w", err)
	}
	return <-drained
}

func handler(set map[string]string, config string) http.Handler {
	var served atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		fmt.Fprintf(w, "%s\n", set["greeting"])
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if set["greeting"] == "" {
			http.Error(w, "no greeting is set in "+config, http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "version %s is well\n", set["version"])
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "version %s has answered %d requests\n", set["version"], served.Load())
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", set["version"])
		mux.ServeHTTP(w, r)
	})
}

// ask asks until the answer is 200, from the expected version, or the time is over. It prints the answer.
func ask(url, version string, within time.Duration) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}}
	end := time.Now().Add(within)
	for {
		text, err := get(client, url, version)
		if err == nil {
			fmt.Println(text)
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w (asked for %v)", err, within)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func get(client *http.Client, url, version string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %s", url, response.Status, text)
	}
	if is := response.Header.Get("X-Version"); version != "" && is != version {
		return "", fmt.Errorf("%s is answered by version %q, not by version %q", url, is, version)
	}
	return text, nil
}
