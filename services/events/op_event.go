package events

import (
	"context"
	"encoding/json"
	"errors"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/platform/service"
)

func (s *Service) putEvents(ctx context.Context, c *service.Call, in *api.PutEventsInput) (*api.PutEventsOutput, error) {
	if in.EndpointId != nil {
		return nil, unsupported("global endpoints (EndpointId)")
	}
	size := 0
	for i := range in.Entries {
		size += sizeOf(&in.Entries[i])
	}
	if size > requestBytesMax {
		return nil, invalid("Total size of the entries in the request is over the limit.")
	}
	out := &api.PutEventsOutput{FailedEntryCount: new(int32(0)), Entries: make([]api.PutEventsResultEntry, len(in.Entries))}
	var taken []routed
	for i := range in.Entries {
		e := &in.Entries[i]
		if r := refuse(c.Caller, e); r != nil {
			*out.FailedEntryCount++
			out.Entries[i] = api.PutEventsResultEntry{ErrorCode: &r.code, ErrorMessage: &r.message}
			continue
		}
		id := s.deps.Ident.UUID()
		ev := eventOf(placeOf(c), id, c.Now, e)
		raw, err := ev.encode()
		if err != nil {
			return nil, err
		}
		if len(raw) > eventBytesMax {
			return nil, invalid("Total size of the entries in the request is over the limit.")
		}
		taken = append(taken, routed{bus: busOf(c, e.EventBusName), event: raw})
		out.Entries[i] = api.PutEventsResultEntry{EventId: &id}
	}
	return out, s.route(ctx, c, taken)
}

// receive puts an event on a bus as the target of another bus's rule, unchanged.
func (s *Service) receive(ctx context.Context, c *service.Call, busARN string, ev json.RawMessage) error {
	k := busOf(c, &busARN)
	var head struct {
		Source     string `json:"source"`
		DetailType string `json:"detail-type"`
	}
	if err := json.Unmarshal(ev, &head); err != nil {
		return err
	}
	check, err := s.putCheck(ctx, c, k, head.Source, head.DetailType)
	if err != nil {
		return err
	}
	check.Action = putEventsAction
	if err := c.Judge(ctx, check); err != nil {
		return err
	}
	if _, err := s.find(ctx, k); err != nil {
		return err
	}
	if c.Depth >= service.MaxDepth {
		return invalid("The event has passed %d buses.", c.Depth)
	}
	return s.route(ctx, c, []routed{{bus: k, event: ev}})
}

func (s *Service) testEventPattern(_ context.Context, _ *service.Call, in *api.TestEventPatternInput) (*api.TestEventPatternOutput, error) {
	p, err := eventpattern.Parse([]byte(*in.EventPattern), eventpattern.EventBridge)
	if err != nil {
		return nil, api.ErrInvalidEventPatternException("%s", err.Error())
	}
	ev, err := eventpattern.DecodeEvent([]byte(*in.Event))
	if err != nil || !isEvent(ev) {
		return nil, invalid("Parameter Event is not valid.")
	}
	return &api.TestEventPatternOutput{Result: new(p.MatchValue(ev))}, nil
}

// isEvent says whether a JSON value has what every event has. AWS names resources
// too, and does not insist on them.
func isEvent(v any) bool {
	m, ok := v.(map[string]any)
	for _, name := range []string{"id", "account", "source", "time", "region", "detail-type"} {
		if _, there := m[name]; !there {
			return false
		}
	}
	return ok
}

// isAbsent says that there is no such record.
func isAbsent(err error) bool { return errors.Is(err, errAbsent) }
