package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"
)

// attempts is what the debug line says about one call.
type attempts struct {
	count     int
	status    int
	requestID string
}

// call does one operation and returns what the service answered.
func call[Out any](ctx context.Context, c *Client, operation string, in any) (*Out, error) {
	out, err := c.call(ctx, operation, in, func() any { return new(Out) })
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

// call does one operation: serialise, then for each attempt wait for the gate, sign, send and read the answer into a value that fresh makes:
// what an attempt that failed has read of its answer must not show in the next one's.
func (c *Client) call(ctx context.Context, operation string, in any, fresh func() any) (any, error) {
	started := time.Now()
	var seen attempts
	out, err := c.send(ctx, operation, in, fresh, &seen)
	fields := []zap.Field{zap.String("operation", operation), zap.Duration("duration", time.Since(started)),
		zap.Int("attempts", seen.count), zap.Int("http_status", seen.status), zap.String("request_id", seen.requestID)}
	if err != nil {
		fields = append(fields, zap.String("problem", Describe(err)))
	}
	c.log.Debug("called the command service", fields...)
	return out, err
}

func (c *Client) send(ctx context.Context, operation string, in any, fresh func() any, seen *attempts) (any, error) {
	body, err := encode(in)
	if err != nil {
		return nil, fmt.Errorf("cannot call %s: cannot write the request: %w", operation, err)
	}
	stack := middleware.NewStack(operation, smithyhttp.NewStackRequest)
	retries := retry.NewAttemptMiddleware(c.policyFor(operation), smithyhttp.RequestCloner, func(a *retry.Attempt) {
		// The SDK's own correction hands the offset only to its own signing step; ours is in sign.
		a.DisableClockSkewCorrection = true
	})
	err = errors.Join(
		stack.Serialize.Add(middleware.SerializeMiddlewareFunc("OperationSerializer", c.serialise(operation, body)), middleware.After),
		stack.Finalize.Add(retries, middleware.After),
		stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("Gate", c.throttle), middleware.After),
		stack.Finalize.Add(&v4.ComputePayloadSHA256{}, middleware.After),
		stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("Signing", c.sign), middleware.After),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("OperationDeserializer", c.deserialise(operation, fresh, seen)), middleware.After),
		// Last, so that the time is taken when the head of the answer arrives.
		stack.Deserialize.Add(&awsmiddleware.RecordResponseTiming{}, middleware.After),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot call %s: %w", operation, err)
	}
	handler := middleware.DecorateHandler(smithyhttp.NewClientHandlerWithOptions(smithyhttp.ClientDoFunc(c.do)), stack)
	result, _, err := handler.Handle(ctx, in)
	if err != nil {
		return nil, failure(ctx, operation, err)
	}
	if result == nil {
		return nil, fmt.Errorf("cannot call %s: no answer was read", operation)
	}
	return result, nil
}

// do sends one attempt with a body of its own. smithy closes the body it made as soon as the head of the answer is there; net/http may then
// still be looking whether the body has ended, takes what a closed one answers for a failure, and closes the connection under the
// answer that is being read.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.WithContext(r.Context())
	own.Body, own.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return c.http.Do(own)
}

// failure makes an Error of whatever the stack returned.
func failure(ctx context.Context, operation string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		if cause := ctx.Err(); cause != nil {
			e = cancelled(cause)
		} else {
			e = &Error{Err: err, Message: oneLine(err.Error(), 500)}
		}
	}
	e.Operation = operation
	return e
}

// encode writes JSON without escapes for HTML: they would make a payload longer than the limit it was clipped to.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *Client) serialise(operation string, body []byte) func(context.Context, middleware.SerializeInput, middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
	return func(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
		req, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return middleware.SerializeOutput{}, middleware.Metadata{}, fmt.Errorf("unknown transport %T", in.Request)
		}
		u := *c.endpoint
		req.Method, req.URL, req.Host = http.MethodPost, &u, u.Host
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", c.targetPrefix+"."+operation)
		req.Header.Set("X-Amz-Codedeploy-Agent-Version", ProtocolVersion)
		req.Header.Set("User-Agent", c.userAgent)
		req, err := req.SetStream(bytes.NewReader(body))
		if err != nil {
			return middleware.SerializeOutput{}, middleware.Metadata{}, err
		}
		in.Request = req
		return next.HandleSerialize(ctx, in)
	}
}

// throttle lets an attempt through the gate and tells the gate how it went.
func (c *Client) throttle(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	trips, err := c.gate.enter(ctx)
	if err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, cancelled(err)
	}
	out, metadata, err := next.HandleFinalize(ctx, in)
	switch {
	case err == nil:
		c.gate.succeeded(trips)
	case IsThrottle(err):
		c.gate.Trip()
	}
	return out, metadata, err
}

// sign signs one attempt with the time the service believes it is, as far as that is known.
func (c *Client) sign(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	fail := func(err error) (middleware.FinalizeOutput, middleware.Metadata, error) {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return fail(fmt.Errorf("unknown transport %T", in.Request))
	}
	credentials, err := c.credentials.Retrieve(ctx)
	if ctx.Err() != nil {
		return fail(cancelled(ctx.Err()))
	}
	if err == nil && !credentials.HasKeys() {
		err = errors.New("the provider gave no keys")
	}
	if err != nil {
		return fail(&Error{Err: err, Message: "cannot get credentials: " + oneLine(err.Error(), 500)})
	}
	at, offset := c.clock.signing()
	if err := c.signer.SignHTTP(ctx, credentials, req.Request, v4.GetPayloadHash(ctx), c.signingName, c.region, at); err != nil {
		return fail(&Error{Err: err, Message: "cannot sign the request: " + oneLine(err.Error(), 500)})
	}
	ctx = awsmiddleware.SetSigningCredentials(ctx, credentials)
	out, metadata, err := next.HandleFinalize(ctx, in)
	if skew, ok := awsmiddleware.GetAttemptSkew(metadata); ok {
		c.clock.observe(skew)
		var e *Error
		if errors.As(err, &e) && clockCodes[e.Code] && c.clock.correct(skew, offset) {
			e.skewed, e.skew = true, skew
		}
	}
	return out, metadata, err
}
