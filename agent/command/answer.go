package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/restjson"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxAnswer bounds an answer. The largest honest one, a deployment specification, has a few kilobytes.
const maxAnswer = 4 << 20

type deserialiser = func(context.Context, middleware.DeserializeInput, middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error)

// deserialise reads the answer to one attempt.
func (c *Client) deserialise(operation string, fresh func() any, seen *attempts) deserialiser {
	return func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		seen.count++
		seen.status, seen.requestID = 0, ""
		fail := func(out middleware.DeserializeOutput, metadata middleware.Metadata, e *Error) (middleware.DeserializeOutput, middleware.Metadata, error) {
			e.Operation, e.HTTPStatus, e.RequestID = operation, seen.status, seen.requestID
			return out, metadata, e
		}
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err != nil {
			if ctx.Err() != nil {
				return fail(out, metadata, cancelled(ctx.Err()))
			}
			return fail(out, metadata, noAnswer(err, c.http.Timeout))
		}
		resp, ok := out.RawResponse.(*smithyhttp.Response)
		if !ok {
			return out, metadata, fmt.Errorf("unknown transport %T", out.RawResponse)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		// Nothing depends on closing: what there was to read is read, or the connection is given up.
		_ = resp.Body.Close()
		if err != nil {
			if ctx.Err() != nil {
				return fail(out, metadata, cancelled(ctx.Err()))
			}
			return fail(out, metadata, noAnswer(err, c.http.Timeout))
		}
		seen.status, seen.requestID = resp.StatusCode, requestID(resp.Header)
		secrets := awsmiddleware.GetSigningCredentials(ctx)
		result := fresh()
		if e := read(resp.Response, body, secrets, result); e != nil {
			return fail(out, metadata, e)
		}
		out.Result = result
		return out, metadata, nil
	}
}

// read makes a result or an error of an answer whose body was read.
func read(resp *http.Response, body []byte, secrets aws.Credentials, result any) *Error {
	switch {
	case len(body) > maxAnswer:
		return &Error{Message: fmt.Sprintf("the answer is larger than %d MiB", maxAnswer>>20)}
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return decode(resp, body, secrets, result)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return &Error{Message: "the answer redirects" + target(resp) + ", which is not followed; a proxy or a login page may be in between"}
	}
	return refusal(resp, body, secrets)
}

// decode reads a successful answer. No body at all is an answer without fields, if it is the service's: a completion would else be taken for
// accepted because something in between has answered it.
func decode(resp *http.Response, body []byte, secrets aws.Credentials, result any) *Error {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		if requestID(resp.Header) == "" {
			return unreadable(resp, body, secrets)
		}
		return nil
	}
	if body[0] != '{' {
		return unreadable(resp, body, secrets)
	}
	if problems := structure(body); problems != nil {
		return &Error{Message: "the answer cannot be used: " + strings.Join(problems, "; ")}
	}
	err := json.Unmarshal(body, result)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return &Error{Message: fmt.Sprintf("the answer's field %s is a %s", oneLine(wrong.Field, 100), clip(wrong.Value, 40))}
	}
	return unreadable(resp, body, secrets)
}

// unreadable is the error for an answer that no command service gave. Asking again may reach one.
func unreadable(resp *http.Response, body []byte, secrets aws.Credentials) *Error {
	kind := "no content type"
	if t := resp.Header.Get("Content-Type"); t != "" {
		kind = fmt.Sprintf("content type %q", clean(t, secrets, 100))
	}
	begin := "no body"
	if len(body) > 0 {
		// Only the beginning is shown, but a secret is recognised only as a whole.
		begin = fmt.Sprintf("beginning %q", clean(string(body[:min(len(body), 16<<10)]), secrets, 120))
	}
	return &Error{transient: true,
		Message: fmt.Sprintf("the answer is not from the command service (%s, %s); a proxy or a login page may be in between", kind, begin)}
}

// refusal reads the answer to a call that failed.
func refusal(resp *http.Response, body []byte, secrets aws.Credentials) *Error {
	var fields map[string]json.RawMessage
	e := &Error{}
	code := resp.Header.Get("X-Amzn-Errortype")
	if json.Unmarshal(body, &fields) == nil {
		for _, name := range []string{"__type", "code", "Code"} {
			if code == "" {
				code = text(fields[name])
			}
		}
		for _, name := range []string{"message", "Message", "errorMessage"} {
			if e.Message == "" {
				e.Message = clean(text(fields[name]), secrets, 500)
			}
		}
	}
	e.Code = clean(restjson.SanitizeErrorCode(code), secrets, 100)
	if e.Code == "" && e.Message == "" {
		e = unreadable(resp, body, secrets)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		e.transient = true
	default:
		e.transient = resp.StatusCode >= 500
	}
	return e
}

// text is a JSON string, empty when it is something else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// clean makes one short line of a part of an answer. A refused signature is answered with the request as the service
// saw it, session token included, so the credentials of the call are left out.
func clean(s string, secrets aws.Credentials, limit int) string {
	for _, secret := range []string{secrets.SecretAccessKey, secrets.SessionToken, secrets.AccessKeyID} {
		if secret == "" {
			continue
		}
		s = strings.ReplaceAll(s, secret, "[redacted]")
		if escaped := url.QueryEscape(secret); escaped != secret {
			s = strings.ReplaceAll(s, escaped, "[redacted]")
		}
	}
	return oneLine(s, limit)
}

// target is where a redirect leads: only the host, the rest may carry a session of whoever sent it.
func target(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil || u.Host == "" {
		return ""
	}
	return " to " + oneLine(u.Host, 100)
}

func requestID(h http.Header) string {
	for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Requestid"} {
		if id := h.Get(name); id != "" {
			return oneLine(id, 100)
		}
	}
	return ""
}
