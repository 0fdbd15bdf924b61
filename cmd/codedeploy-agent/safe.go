package main

import (
	"io"
	"strings"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/secrets"
	"codedeploy-agent/appspec/plaintext"
	"codedeploy-agent/hooks"
)

// known are the secrets that this process was given. They are left out of whatever it says.
var known secrets.Register

// learnEnvironment makes the secrets in the environment known: those that hooks do not get, and the passwords of proxies.
func learnEnvironment(env []string) {
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case hooks.SecretVariable(name) && !strings.HasSuffix(name, "_FILE"): // a path is no secret
			known.Add(value)
		case strings.HasSuffix(strings.ToLower(name), "_proxy"):
			known.AddURL(value)
		}
	}
}

func learnConfiguration(c *config.Config) { known.AddURL(c.ProxyURI) }

// safeLine is one line of text as it may be shown: without control characters and secrets.
func safeLine(s string) string { return known.Redact(plaintext.Line(s)) }

// safeWriter writes texts as they may be shown. Each Write has to be of whole lines.
type safeWriter struct{ to io.Writer }

func (w safeWriter) Write(text []byte) (int, error) {
	_, err := io.WriteString(w.to, known.Redact(plaintext.Text(string(text))))
	return len(text), err
}

// safeEncoder writes entries of the log that have neither control characters nor secrets, whatever message and fields hold. An entry is one line.
type safeEncoder struct{ zapcore.Encoder }

func (e safeEncoder) Clone() zapcore.Encoder { return safeEncoder{e.Encoder.Clone()} }

func (e safeEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	b, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return b, err
	}
	text := strings.TrimSuffix(b.String(), zapcore.DefaultLineEnding)
	if safe := safeLine(text); safe != text {
		b.Reset()
		b.AppendString(safe)
		b.AppendString(zapcore.DefaultLineEnding)
	}
	return b, nil
}
