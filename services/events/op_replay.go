package events

import (
	"context"
	"strings"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
)

func (s *Service) startReplay(ctx context.Context, c *service.Call, in *api.StartReplayInput) (*api.StartReplayOutput, error) {
	k := replayKey{placeOf(c), *in.ReplayName}
	to, ok := sourceBus(k.place, smithy.Val(in.Destination.Arn))
	if !ok {
		return nil, invalid("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
	}
	if _, err := s.find(ctx, to); err != nil {
		return nil, err
	}
	from, err := s.replayed(ctx, k.place, *in.EventSourceArn)
	if err != nil {
		return nil, err
	}
	switch {
	case from.Bus != to.name:
		return nil, invalid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	case !in.EventEndTime.After(*in.EventStartTime):
		return nil, invalid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	}
	if err := s.checkActive(ctx, k); err != nil {
		return nil, err
	}
	r := &replay{
		Name: k.replay, Description: smithy.Val(in.Description), Archive: from.Name, Bus: to.name, Rules: in.Destination.FilterArns,
		From: in.EventStartTime.UTC(), To: in.EventEndTime.UTC(), State: api.ReplayStateStarting, Started: c.Now.UTC(),
	}
	raw := encode(replayJob{k.account, k.region, k.replay})
	err = s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(k.key()); !isAbsent(err) {
			if err == nil {
				err = replayExists(k.replay)
			}
			return err
		}
		if err := tx.Put(k.key(), encode(r)); err != nil {
			return err
		}
		return s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: replayKind, Payload: raw})
	}, k.key())
	if err != nil {
		return nil, err
	}
	return &api.StartReplayOutput{ReplayArn: new(k.arn()), State: &r.State, ReplayStartTime: &r.Started}, nil
}

func replayExists(name string) error {
	return api.ErrResourceAlreadyExistsException("Replay %s already exists.", name)
}

// replayed is the archive of an ARN.
func (s *Service) replayed(ctx context.Context, p place, text string) (*archive, error) {
	a, err := arn.Parse(text)
	name, ok := strings.CutPrefix(a.Resource, "archive/")
	if err != nil || !ok || a.Service != "events" || a.Account != p.account || a.Region != p.region {
		return nil, invalid("Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.")
	}
	have, err := decode[archive](s.store.db.Get(ctx, archiveKey{p, name}.key()))
	if isAbsent(err) {
		return nil, invalid("Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", name)
	}
	return have, err
}

// checkActive refuses a replay beyond those that may be active, and one of a name
// that there is.
func (s *Service) checkActive(ctx context.Context, k replayKey) error {
	all, err := page[replay](ctx, s.store.db, k.place.key("p"), "", "", 0)
	active := 0
	for i := range all {
		if all[i].Name == k.replay {
			return replayExists(k.replay)
		}
		if all[i].active() {
			active++
		}
	}
	if active >= activeReplaysMax {
		return limitExceeded()
	}
	return err
}

func (s *Service) cancelReplay(ctx context.Context, c *service.Call, in *api.CancelReplayInput) (*api.CancelReplayOutput, error) {
	k := replayKey{placeOf(c), *in.ReplayName}
	err := s.store.changeReplay(ctx, k, func(_ *kv.Tx, r *replay) error {
		if r.State != api.ReplayStateStarting && r.State != api.ReplayStateRunning {
			return api.ErrIllegalStatusException("Replay %s is not in a valid state for this operation.", k.replay)
		}
		r.State = api.ReplayStateCancelling
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CancelReplayOutput{ReplayArn: new(k.arn()), State: new(api.ReplayStateCancelling)}, nil
}

func (s *Service) describeReplay(ctx context.Context, c *service.Call, in *api.DescribeReplayInput) (*api.DescribeReplayOutput, error) {
	k := replayKey{placeOf(c), *in.ReplayName}
	r, err := decode[replay](s.store.db.Get(ctx, k.key()))
	if isAbsent(err) {
		return nil, noReplay(k.replay)
	}
	if err != nil {
		return nil, err
	}
	return &api.DescribeReplayOutput{
		ReplayName: &r.Name, ReplayArn: new(k.arn()), Description: text(r.Description), State: &r.State, StateReason: text(r.Reason),
		EventSourceArn: new(archiveKey{k.place, r.Archive}.arn()),
		Destination:    &api.ReplayDestination{Arn: new(busKey{k.place, r.Bus}.arn()), FilterArns: r.Rules},
		EventStartTime: &r.From, EventEndTime: &r.To, EventLastReplayedTime: timeOf(r.Last), ReplayStartTime: &r.Started, ReplayEndTime: timeOf(r.Ended),
	}, nil
}

func (s *Service) listReplays(ctx context.Context, c *service.Call, in *api.ListReplaysInput) (*api.ListReplaysOutput, error) {
	p := placeOf(c)
	if err := oneFilter("ListReplays", in.NamePrefix, in.EventSourceArn, in.State); err != nil {
		return nil, err
	}
	list, err := page[replay](ctx, s.store.db, p.key("p"), smithy.Val(in.NamePrefix), smithy.Val(in.NextToken), 0)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.Limit)
	out := &api.ListReplaysOutput{Replays: []api.Replay{}}
	for i := range list {
		r := &list[i]
		source := archiveKey{p, r.Archive}.arn()
		if in.EventSourceArn != nil && *in.EventSourceArn != source || in.State != nil && *in.State != r.State {
			continue
		}
		if len(out.Replays) == limit {
			out.NextToken = out.Replays[limit-1].ReplayName
			break
		}
		out.Replays = append(out.Replays, api.Replay{
			ReplayName: &r.Name, EventSourceArn: &source, State: &r.State, StateReason: text(r.Reason), EventStartTime: &r.From, EventEndTime: &r.To,
			EventLastReplayedTime: timeOf(r.Last), ReplayStartTime: &r.Started, ReplayEndTime: timeOf(r.Ended),
		})
	}
	return out, nil
}
