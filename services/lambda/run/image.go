package run

import (
	"context"
	"errors"
	"fmt"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/image"
)

// Images are the unpacked images of functions.
func (e *Engine) Images() *image.Images { return e.images }

// TakesImages says why container images cannot run here, nil where they can or
// where that shows only later.
func (e *Engine) TakesImages() error {
	g, err := e.Guard()
	if err != nil || g.Driver.Name() != "process" {
		return nil
	}
	return fn.Unsupported("container images in plain processes: they need a sandbox that gives functions a root of their own")
}

// imageMaterial is material for a version that is made of an image. Nothing of it
// can be begun before it is known: there are no environments in reserve for it.
func (e *Engine) imageMaterial(ctx context.Context, r fn.Ref, v *fn.Config) (material, error) {
	root, config, err := e.images.Open(ctx, r, v.Image)
	if fn.IsFault(err) {
		return material{}, api.ErrResourceNotReadyException("Lambda was not able to get the image %s of the function: %s", v.Image.Resolved, err)
	}
	if err != nil {
		return material{}, err
	}
	m := material{root: root, handler: image.Handler(v.Image, config), extensions: image.Extensions(root)}
	m.choice.Launch, m.dir = image.Launch(v.Image, config)
	return m, nil
}

// notStarted is what err tells of a program that could not be begun, or nil.
func notStarted(err error) *sandbox.StartError {
	var start *sandbox.StartError
	if errors.As(err, &start) {
		return start
	}
	return nil
}

const invalidWorkingDir = "Runtime.InvalidWorkingDir"

// refuse answers an invocation whose image cannot be begun, and logs why.
func (e *Engine) refuse(l *live, v *fn.Config, inv Invocation, start *sandbox.StartError) Result {
	kind := invalidEntry
	if start.Directory {
		kind = invalidWorkingDir
	}
	said := failure(kind, "RequestId: "+inv.RequestID+" Error: "+start.Error(), statusError)
	said.logLine = fmt.Sprintf("IMAGE\tLaunch error: %s\tEntrypoint: %v\tWorkingDir: [%s]\n%s", start, l.template.Launch.Command, l.template.Dir, said.logLine)
	st, now := e.stream(inv.Ref, v, l), e.deps.Clock.Now()
	m := measure{requestID: inv.RequestID, version: v.Version, memoryMB: v.MemoryMB, status: said.status, errorType: said.errorType}
	open, shut := opening(v, m, now), closing(v, m, now)
	addAll(st, now, open)
	st.Add(now, said.logLine)
	addAll(st, now, shut)
	e.meters.ended(pool.Result{Outcome: pool.InitExited})
	return Result{Payload: said.payload, FunctionError: said.functionError, Version: v.Version, Tail: logResult(open, said.logLine+"\n", shut)}
}
