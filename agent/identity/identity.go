// Package identity finds out who this host is to the service: its region, its identifier and its credentials, from instance metadata
// or from the on-premises file.
package identity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/secrets"
)

// Identity is who this host is to the service.
type Identity struct {
	Region string
	// HostIdentifier is the ARN of the instance, or of the user or session of an on-premises host.
	HostIdentifier string
	// Partition is for example "aws", Domain what its endpoints end with, for example "amazonaws.com".
	Partition, Domain string
	OnPremises        bool
	// Source says for people where all this comes from.
	Source string
	// Credentials may be asked from any goroutine. They refresh themselves; its method Invalidate makes them do it at once.
	Credentials aws.CredentialsProvider
}

// Options are what a Resolver needs.
type Options struct {
	Config *config.Config
	Log    *zap.Logger
	// Secrets is told the credentials, so that nothing of them is logged. nil: nobody is.
	Secrets *secrets.Register
	// Guard judges files that others can write or, with secrets in them, read. nil refuses the former.
	Guard *custody.Guard
	// Waiting is told each new reason for which Wait waits, and whether only the credentials are missing. nil is not told.
	Waiting func(reason error, credentials bool)
}

// credentialsError says that the host knows who it is but has no credentials to prove it.
type credentialsError struct{ error }

func (e credentialsError) Unwrap() error { return e.error }

// Resolver finds out who this host is.
type Resolver struct {
	config  *config.Config
	log     *zap.Logger
	secrets *secrets.Register
	guard   *custody.Guard
	waiting func(error, bool)
	pause   func(context.Context, time.Duration) error
}

// New returns a Resolver.
func New(o Options) *Resolver {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Waiting == nil {
		o.Waiting = func(error, bool) {}
	}
	return &Resolver{config: o.Config, log: o.Log, secrets: o.Secrets, guard: o.Guard, waiting: o.Waiting, pause: sleep}
}

// The pauses between attempts of Wait.
const (
	firstPause = time.Second
	maxPause   = 10 * time.Second
)

// Wait returns as soon as Resolve succeeds, as after a boot when network, identity and role are not there yet. Each new reason for
// waiting is logged once. The error is ctx's.
func (r *Resolver) Wait(ctx context.Context) (*Identity, error) {
	told, pause := "", firstPause
	for {
		id, err := r.Resolve(ctx)
		if err == nil {
			return id, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err.Error() != told {
			told = err.Error()
			var credentials credentialsError
			if only := errors.As(err, &credentials); only {
				r.log.Warn("waiting for the credentials of this host", zap.Error(err))
				r.waiting(err, true)
			} else {
				r.log.Warn("waiting to learn who this host is", zap.Error(err))
				r.waiting(err, false)
			}
		}
		if err := r.pause(ctx, pause/2+rand.N(pause/2)); err != nil {
			return nil, err
		}
		pause = min(2*pause, maxPause)
	}
}

// Resolve finds out who this host is and checks that it has credentials. The on-premises file comes first; where there is none the host is
// an EC2 instance. A file that is there and cannot be used is an error, never a reason to be somebody else.
func (r *Resolver) Resolve(ctx context.Context) (*Identity, error) {
	data, err := os.ReadFile(r.config.OnPremisesConfigFile)
	switch {
	case err == nil:
		if err := r.guard.CheckSecret(r.config.OnPremisesConfigFile); err != nil {
			return nil, fmt.Errorf("cannot use the on-premises file: %w", err)
		}
		f, err := parseOnPremises(r.config.OnPremisesConfigFile, data)
		if err != nil {
			return nil, err
		}
		if !f.empty() {
			return r.onPremises(ctx, f)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, &os.PathError{Op: "cannot read the on-premises file", Path: r.config.OnPremisesConfigFile, Err: errors.Unwrap(err)}
	}
	return r.instance(ctx)
}

// announced is a provider whose credentials are made known before anybody gets them.
type announced struct {
	aws.CredentialsProvider
	secrets *secrets.Register
}

func (p announced) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	announce(p.secrets, c)
	return c, err
}

func announce(r *secrets.Register, c aws.Credentials) {
	if c.HasKeys() {
		r.Renew("credentials of this host", c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
