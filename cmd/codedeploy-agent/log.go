package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"codedeploy-agent/agent/config"
)

// newLog is the daemon's log: its file, as the official agents name it, and standard error, which is journald under
// systemd. If the file cannot be written the agent runs without it: a deployment is worth more than its log.
func newLog(c *config.Config) (log *zap.Logger, closeLog func(), err error) {
	console := zapcore.NewCore(encoder(c, true), zapcore.Lock(os.Stderr), level(c))
	file, err := openLog(c, c.ProgramName+".log")
	if err != nil {
		log = zap.New(console)
		log.Warn("logging to standard error only", zap.Error(err))
		restore := zap.RedirectStdLog(log)
		return log, func() { restore(); log.Sync() }, nil
	}
	log = zap.New(zapcore.NewTee(console, zapcore.NewCore(encoder(c, false), zapcore.AddSync(file), level(c))))
	restore := zap.RedirectStdLog(log) // net/http says there what a server sends that nobody has asked for
	return log, func() { restore(); log.Sync(); file.Close() }, nil
}

// newLocalLog is the log of a local deployment: warnings to to, everything in codedeploy-local.log where that
// can be written.
func newLocalLog(c *config.Config, to zapcore.WriteSyncer) (log *zap.Logger, closeLog func(), err error) {
	console := zapcore.NewCore(encoder(c, true), zapcore.Lock(to), zapcore.WarnLevel)
	file, err := openLog(c, "codedeploy-local.log")
	if err != nil {
		return zap.New(console), func() {}, nil
	}
	log = zap.New(zapcore.NewTee(console, zapcore.NewCore(encoder(c, false), zapcore.AddSync(file), level(c))))
	return log, func() { log.Sync(); file.Close() }, nil
}

// quietLog is the log of a command that only looks: warnings on standard error, no file.
func quietLog(c *config.Config) *zap.Logger {
	return zap.New(zapcore.NewCore(encoder(c, true), zapcore.Lock(os.Stderr), zapcore.WarnLevel))
}

// newWireLog is the log of requests for bundles (log_aws_wire), nil if it is not wanted. Its name is the official agent 2.x's.
func newWireLog(c *config.Config) (*zap.Logger, error) {
	if !c.LogAWSWire {
		return nil, nil
	}
	file, err := openLog(c, c.ProgramName+".aws_wire.log")
	if err != nil {
		return nil, err
	}
	return zap.New(zapcore.NewCore(encoder(c, false), zapcore.AddSync(file), zapcore.DebugLevel)), nil
}

// openLog opens a log that is cut at 64 MiB and kept for seven days, like the official agents'.
func openLog(c *config.Config, name string) (*timberjack.Logger, error) {
	dirMode, mode := fs.FileMode(0o755), fs.FileMode(0o644)
	if c.RestrictLogDirPermissions {
		dirMode, mode = 0o750, 0o640
	}
	if err := os.MkdirAll(c.LogDir, dirMode); err != nil {
		return nil, fmt.Errorf("cannot create log_dir: %w", err)
	}
	path := filepath.Join(c.LogDir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
	if err != nil {
		return nil, fmt.Errorf("cannot write the log: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("cannot write the log: %w", err)
	}
	return &timberjack.Logger{Filename: path, MaxSize: 64, MaxAge: 7, MaxBackups: 16, LocalTime: true, FileMode: mode}, nil
}

func level(c *config.Config) zapcore.Level {
	if c.Verbose {
		return zapcore.DebugLevel
	}
	return zapcore.InfoLevel
}

// encoder is JSON for machines or lines for people; by itself, files and terminals both get lines.
func encoder(c *config.Config, console bool) zapcore.Encoder {
	e := zap.NewProductionEncoderConfig()
	e.EncodeDuration = zapcore.StringDurationEncoder
	e.EncodeTime = zapcore.ISO8601TimeEncoder
	if c.LogFormat == "json" {
		return safeEncoder{zapcore.NewJSONEncoder(e)}
	}
	e.EncodeLevel = zapcore.CapitalLevelEncoder
	if console && os.Getenv("JOURNAL_STREAM") != "" {
		e.TimeKey = "" // journald has the time
	}
	return safeEncoder{zapcore.NewConsoleEncoder(e)}
}
