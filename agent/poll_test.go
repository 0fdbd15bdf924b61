package agent

import (
	"testing"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
)

func TestCommandsOfAnotherHostAreNotAccepted(t *testing.T) {
	t.Parallel()
	const host = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"
	a := &Agent{host: host, log: zap.NewNop()}
	for _, tt := range []struct {
		id, name, host string
		want           bool
	}{
		{"hc-1", "Install", host, true},
		{"hc-1", "Install", "i-0123456789abcdef0", true},
		{"hc-1", "Install", "instance/i-0123456789abcdef0", true},
		{"hc-1", "Install", "", false},
		{"hc-1", "Install", "arn:aws:ec2:us-east-1:123456789012:instance/i-0fedcba9876543210", false},
		{"hc-1", "Install", "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef01", false},
		{"hc-1", "Install", "0123456789abcdef0", false},
		{"hc-1", "Install", "arn:aws:ec2", false},
		{"hc-1", "Install", "a", false},
		{"", "Install", host, false},
		{"hc-1", "", host, false},
	} {
		cmd := &command.HostCommand{ID: tt.id, Name: tt.name, HostIdentifier: tt.host}
		if got := a.acceptable(cmd); got != tt.want {
			t.Errorf("acceptable(%+v) = %v, want %v", *cmd, got, tt.want)
		}
	}
}
