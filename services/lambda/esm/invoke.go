package esm

import (
	"context"
	"errors"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/lambda/run"
)

// refused tells of an event that did not reach the function.
func (p *poller) refused(err error) {
	outcome, said := outcomeRefused, problem+"Function call failed"
	switch f := fault.As(err); {
	case f == nil:
		p.deps.Log.Error("invoke a function for an event source mapping", "mapping", p.m.UUID, "error", err)
	case f.Status == 429:
		outcome, said = outcomeThrottled, problem+"Function call was throttled"
	default:
		said = problem + f.Message
	}
	p.meters.batch(outcome)
	p.report(said)
}

var errAbandoned = errors.New("esm: the server stops while the function runs")

// invoke runs the function. A mapping that is stopped waits for it; a server
// that stops does not for long.
func (p *poller) invoke(ctx context.Context, id string, event []byte, trace string) (run.Result, error) {
	type outcome struct {
		result run.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		c := p.deps.System(p.m.Account, p.m.Region)
		c.RequestID = id
		r, err := p.runner.Invoke(ctx, c, run.Invocation{Ref: p.m.ref(), RequestID: id, Payload: event, Trace: trace})
		done <- outcome{r, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-p.abandon:
		return run.Result{}, errAbandoned
	}
}
