package gateway

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/service"
)

// Dispatch implements service.Backend: one service calls another's operation.
func (g *Gateway) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (out any, err error) {
	schema, op := d.Of()
	b := g.ops[op]
	if b == nil {
		return nil, fault.New("UnknownOperationException", 404, "moln lists no operation %s of %s.", op.Name, schema.ID)
	}
	if b.Level == service.LevelNone {
		return nil, notImplemented(b)
	}
	began := time.Now()
	parent := c.Trace
	c.Trace, c.Service = new(service.Trace), schema.EndpointPrefix
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in %s: %v\n%s", op.Name, v, debug.Stack())
		}
		g.recordCall(c, b, err, time.Since(began))
		if parent != nil {
			parent.Decisions = append(parent.Decisions, c.Trace.Decisions...)
		}
	}()
	if err := g.check(b, in); err != nil {
		return nil, err
	}
	if err := g.authorize(ctx, c, b, in); err != nil {
		return nil, err
	}
	return b.Call(ctx, c, in)
}

func (g *Gateway) recordCall(c *service.Call, b *bound, err error, took time.Duration) {
	r := audit.Record{
		Time: c.Now, RequestID: c.RequestID, Service: b.target.def.Schema.Name, Operation: b.op.Name,
		Caller: callerName(c.Caller), Account: c.Account, Region: c.Region, Depth: c.Depth,
		Status: b.op.Status, Micros: took.Microseconds(), Decisions: decisions(c), Notes: c.Trace.Notes,
	}
	if f := fault.As(err); f != nil {
		r.Status, r.Code, r.Message = f.Status, f.Code, f.Message
	} else if err != nil {
		r.Status, r.Code, r.Message = 500, "InternalFailure", err.Error()
	}
	if c.Routine && err == nil {
		g.count(r, took)
		return
	}
	g.record(r, took)
}

// recordExchange writes the audit record and the metrics of a request (G2).
func (g *Gateway) recordExchange(x *exchange) {
	r := &x.record
	took := time.Since(x.began)
	r.Micros = took.Microseconds()
	if r.Caller == "" {
		r.Caller = callerName(x.call.Caller)
	}
	r.Decisions, r.Notes = decisions(x.call), x.call.Trace.Notes
	g.record(*r, took)
	x.tell()
}

func (g *Gateway) record(r audit.Record, took time.Duration) {
	g.cfg.Audit.Add(r)
	g.count(r, took)
}

func (g *Gateway) count(r audit.Record, took time.Duration) {
	g.requests.With(r.Service, r.Operation, strconv.Itoa(r.Status)).Add(1)
	g.latency.With(r.Service).Observe(took.Seconds())
}

// decisions turns a call's decisions into the record's form. The least policy
// is worked out for denials only.
func decisions(c *service.Call) []audit.Decision {
	out := make([]audit.Decision, 0, len(c.Trace.Decisions))
	for i := range c.Trace.Decisions {
		d := &c.Trace.Decisions[i]
		a := audit.Decision{
			Action: d.Action, Resource: d.Resource, Allowed: d.Allowed,
			Layer: d.Layer.String(), Reason: d.Reason, Missing: d.Missing,
		}
		for _, s := range d.Statements {
			a.Statements = append(a.Statements, statementName(s))
		}
		if !d.Allowed {
			a.Least = d.LeastPolicy(c.Caller.Principal, d.Action, d.Resource)
		}
		out = append(out, a)
	}
	return out
}

func statementName(s policy.StatementRef) string {
	name := s.Sid
	if name == "" {
		name = "statement " + strconv.Itoa(s.Index)
	}
	return s.Layer.String() + " " + s.Policy + " " + name
}
