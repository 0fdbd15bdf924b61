package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"codedeploy-agent/agent/config"
)

// written collects what a core writes.
type written struct{ strings.Builder }

func (w *written) Sync() error { return nil }

func TestLogHasNeitherControlCharactersNorSecrets(t *testing.T) {
	t.Parallel()
	known.Add("a secret of the test")
	const hostile = "x\n2026-01-01\tINFO\tforged\r\x1b[31mred\x1b]0;title\a \u202egnp.exe \u2028 \u009b1m \x9b1m a secret of the test http://u:pw-in-address@h"
	for _, format := range []string{"console", "json"} {
		c := config.Default()
		c.LogFormat = format
		w := new(written)
		log := zap.New(zapcore.NewCore(encoder(c, false), zapcore.AddSync(w), zapcore.DebugLevel)).With(zap.String("with", hostile)).Named("name\x1b[1m\n")
		log.Info(hostile, zap.Error(errors.New(hostile)), zap.ByteString("bytes", []byte(hostile)), zap.Strings("list", []string{hostile}),
			zap.Any("map", map[string]string{hostile: hostile}), zap.String("key\n\x1b", "x"))
		text := w.String()
		if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s: an entry has %d lines: %q", format, strings.Count(text, "\n"), text)
		}
		for _, bad := range []string{"\x1b", "\r", "\a", "\x00", "\u2028", "\u202e", "\u009b", "a secret of the test", "pw-in-address"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: the entry has %q: %q", format, bad, text)
			}
		}
		if !strings.Contains(text, "gnp.exe") || !strings.Contains(text, "[redacted]") {
			t.Errorf("%s: more than it should be is left out: %q", format, text)
		}
		if format == "json" {
			var fields map[string]any
			if err := json.Unmarshal([]byte(text), &fields); err != nil {
				t.Errorf("the entry is not JSON any more: %v: %s", err, text)
			}
		}
	}
	// An entry that has nothing of the kind is not touched.
	core, seen := observer.New(zapcore.InfoLevel)
	zap.New(core).Info("plain\tü")
	e := encoder(config.Default(), false)
	b, err := e.EncodeEntry(seen.All()[0].Entry, nil)
	if err != nil || !strings.HasSuffix(b.String(), "INFO\tplain\tü\n") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestEnvironmentIsLearnt(t *testing.T) {
	t.Parallel()
	learnEnvironment([]string{"AWS_SECRET_ACCESS_KEY=learnt-from-the-environment", "AWS_CONTAINER_AUTHORIZATION_TOKEN=learnt-container-token",
		"https_proxy=http://user:learnt-proxy-password@proxy.test:1", "ALL_PROXY=socks5://user:learnt-all-password@proxy.test:1",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/not/a/secret/path", "AWS_CREDENTIAL_FILE=/not/a/secret/either", "broken"})
	got := safeLine("learnt-from-the-environment learnt-container-token learnt-proxy-password learnt-all-password /not/a/secret/path /not/a/secret/either")
	if want := "[redacted] [redacted] [redacted] [redacted] /not/a/secret/path /not/a/secret/either"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
