package rehearsal

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// poll answers with the host's next command, or with nothing after holding the request for a while.
func (s *Service) poll(r *http.Request, in commandRequest) (any, error) {
	if in.HostIdentifier == "" {
		return nil, refuse("HostIdentifier is missing")
	}
	end := s.clock.After(s.options.Hold)
	for {
		// A caller that has gone must not take a command with it.
		if r.Context().Err() != nil {
			return nil, errCallerGone
		}
		command, changed := s.queue.takeFor(in.HostIdentifier, s.clock.Now(), s.options.Redeliver)
		if command != nil {
			return map[string]any{"HostCommand": map[string]any{
				"HostCommandIdentifier": command.options.ID,
				"HostIdentifier":        command.options.Host,
				"DeploymentExecutionId": command.options.ExecutionID,
				"CommandName":           command.options.Name,
				"Nonce":                 1,
			}}, nil
		}
		select {
		case <-changed:
		case <-s.clock.After(s.options.Redeliver): // one whose delivery was lost may be due again
		case <-end:
			return struct{}{}, nil
		case <-r.Context().Done():
		case <-s.closing:
			return nil, &refusal{http.StatusServiceUnavailable, "ServiceUnavailableException", "the service is closing"}
		}
	}
}

func (s *Service) specification(in commandRequest) (any, error) {
	if in.HostIdentifier == "" {
		return nil, refuse("HostIdentifier is missing")
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	body, published := s.queue.specs[in.DeploymentExecutionId]
	if !published {
		return nil, refuse("there is no deployment execution %q", in.DeploymentExecutionId)
	}
	for _, c := range s.queue.commands {
		if c.options.ExecutionID == in.DeploymentExecutionId && c.options.Host == in.HostIdentifier {
			return body, nil
		}
	}
	return nil, refuse("host %q is not part of deployment execution %q", in.HostIdentifier, in.DeploymentExecutionId)
}

// known returns the command a request is about, after checking what all such requests share.
func (s *Service) known(in commandRequest) (*Command, error) {
	command := s.queue.find(in.HostCommandIdentifier)
	if command == nil {
		return nil, refuse("there is no host command %q", in.HostCommandIdentifier)
	}
	if d := in.Diagnostics; d != nil {
		if len(d.Format) < 1 || len(d.Format) > formatLimit {
			return nil, refuse("Diagnostics.Format has %d characters, not 1 to %d", len(d.Format), formatLimit)
		}
		if n := len([]rune(d.Payload)); n > payloadLimit {
			return nil, refuse("Diagnostics.Payload has %d characters, more than %d", n, payloadLimit)
		}
	}
	return command, nil
}

func (s *Service) acknowledge(in commandRequest) (any, error) {
	command, err := s.known(in)
	if err != nil {
		return nil, err
	}
	var said struct{ IsCommandNoop bool }
	if in.Diagnostics != nil {
		if err := json.Unmarshal([]byte(in.Diagnostics.Payload), &said); err != nil {
			return nil, refuse("the acknowledgement's diagnostics are not JSON: %v", err)
		}
	}
	now := s.clock.Now()
	command.mu.Lock()
	defer command.mu.Unlock()
	command.result.Acks++
	if !command.finished {
		if !command.result.Acked {
			command.result.Acked, command.result.Noop, command.result.AckedAt = true, said.IsCommandNoop, now
		}
		if said.IsCommandNoop && s.options.EndNoops {
			command.finish(now, func(r *Result) { r.Status, r.ErrorCode = statusSucceeded, 0 })
		}
	}
	switch command.options.AckStatus {
	case "":
		return map[string]string{"CommandStatus": command.status()}, nil
	case "none":
		return struct{}{}, nil
	default:
		return map[string]string{"CommandStatus": command.options.AckStatus}, nil
	}
}

func (s *Service) update(in commandRequest) (any, error) {
	command, err := s.known(in)
	if err != nil {
		return nil, err
	}
	switch when := in.EstimatedCompletionTime.(type) {
	case nil, float64:
	case string:
		if _, err := time.Parse(time.RFC3339, when); err != nil {
			return nil, refuse("EstimatedCompletionTime %q is no ISO 8601 time", when)
		}
	default:
		return nil, refuse("EstimatedCompletionTime is no time")
	}
	command.mu.Lock()
	defer command.mu.Unlock()
	return map[string]string{"CommandStatus": command.status()}, nil
}

// complete ends a command. The first completion counts; what comes later is taken without effect, so that an agent
// that repeats itself because an answer was lost comes to rest.
func (s *Service) complete(in commandRequest) (any, error) {
	command, err := s.known(in)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{statusSucceeded, statusFailed}, in.CommandStatus) {
		return nil, refuse("CommandStatus %q is neither %s nor %s", in.CommandStatus, statusSucceeded, statusFailed)
	}
	said := struct {
		ErrorCode  *int   `json:"error_code"`
		ScriptName string `json:"script_name"`
		Message    string `json:"message"`
		Log        string `json:"log"`
	}{}
	if in.Diagnostics != nil {
		if err := json.Unmarshal([]byte(in.Diagnostics.Payload), &said); err != nil {
			return nil, refuse("the completion's diagnostics are not JSON: %v", err)
		}
	}
	now := s.clock.Now()
	command.mu.Lock()
	defer command.mu.Unlock()
	command.result.Completions++
	command.finish(now, func(r *Result) {
		r.Status = in.CommandStatus
		if said.ErrorCode != nil {
			r.ErrorCode = *said.ErrorCode
		}
		r.ScriptName, r.Message, r.Log = said.ScriptName, said.Message, said.Log
	})
	return struct{}{}, nil
}
