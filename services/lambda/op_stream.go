package lambda

import (
	"context"
	"io"
	"iter"
	"net/http"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// chunkBytes is the most that one event of a stream carries.
const chunkBytes = 32 << 10

// invokeStream answers when the response begins. The payload of a chunk is good
// until the next event is asked for.
func (s *Service) invokeStream(ctx context.Context, c *service.Call, in *api.InvokeWithResponseStreamInput) (*api.InvokeWithResponseStreamOutput, error) {
	r, err := fn.RefOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	inv := run.Invocation{Ref: r, RequestID: c.RequestID, Payload: in.Payload, Cognito: cognitoOf(c), Trace: traceOf(c), Tenant: smithy.Val(in.TenantId), Tail: smithy.Val(in.LogType) == api.LogTypeTail}
	if err := inv.Normalise(smithy.Val(in.ClientContext), false); err != nil {
		return nil, err
	}
	if smithy.Val(in.InvocationType) == api.ResponseStreamingInvocationTypeDryRun {
		return &api.InvokeWithResponseStreamOutput{StatusCode: new(int32(http.StatusNoContent))}, s.admit(ctx, &inv)
	}
	stream, err := s.engine.Stream(ctx, c, inv)
	if err != nil {
		return nil, err
	}
	// A client that goes away must not hold the function.
	context.AfterFunc(ctx, func() { stream.Close() })
	return &api.InvokeWithResponseStreamOutput{
		StatusCode: new(int32(http.StatusOK)), ExecutedVersion: &stream.Version,
		EventStream: events(stream, inv.Tail),
	}, nil
}

type streamEvents = iter.Seq2[*api.InvokeWithResponseStreamResponseEvent, error]

// events are the chunks of a response and what became of it. Whoever stops
// asking for them leaves the function to run on.
func events(s *run.Stream, tail bool) streamEvents {
	return func(yield func(*api.InvokeWithResponseStreamResponseEvent, error) bool) {
		defer s.Close()
		room := make([]byte, chunkBytes)
		for {
			n, err := s.Read(room)
			if err == io.EOF {
				break
			}
			if err != nil {
				return // nobody listens
			}
			chunk := &api.InvokeResponseStreamUpdate{Payload: room[:n]}
			if !yield(&api.InvokeWithResponseStreamResponseEvent{PayloadChunk: chunk}, nil) {
				return
			}
		}
		res, err := s.Result()
		if err != nil {
			yield(nil, err)
			return
		}
		end := &api.InvokeWithResponseStreamCompleteEvent{}
		if res.FunctionError != "" {
			end.ErrorCode, end.ErrorDetails = &res.FunctionError, new(string(res.Payload))
		}
		if tail {
			end.LogResult = &res.Tail
		}
		yield(&api.InvokeWithResponseStreamResponseEvent{InvokeComplete: end}, nil)
	}
}
