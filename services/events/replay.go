package events

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/engine/sched"
)

const (
	replayKind    = "events/replay"
	replaysAtOnce = 4
	// replayPage is how many events a replay routes between two looks at whether
	// it was cancelled.
	replayPage = 100
)

// replayKey is a replay by its name.
type replayKey struct {
	place
	replay string
}

func (k replayKey) arn() string { return k.place.arn("replay/" + k.replay) }
func (k replayKey) key() []byte { return k.place.key("p", k.replay) }

// replay puts the events of an archive on their bus again.
type replay struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Archive     string    `json:"archive"`
	Bus         string    `json:"bus"`
	Rules       []string  `json:"rules,omitempty"` // ARNs; none: all
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Last        time.Time `json:"last,omitzero"` // time of the last event replayed
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended,omitzero"`
	// Position is the key of the last event replayed.
	Position []byte `json:"position,omitempty"`
}

func (r *replay) active() bool {
	return r.State == api.ReplayStateStarting || r.State == api.ReplayStateRunning || r.State == api.ReplayStateCancelling
}

// replayJob is the payload of a replay's job.
type replayJob struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Replay  string `json:"replay"`
}

func (s *store) changeReplay(ctx context.Context, k replayKey, change func(tx *kv.Tx, r *replay) error) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		r, err := decode[replay](tx.Get(k.key()))
		if isAbsent(err) {
			return noReplay(k.replay)
		}
		if err != nil {
			return err
		}
		if err := change(tx, r); err != nil {
			return err
		}
		return tx.Put(k.key(), encode(r))
	}, k.key())
}

// carryOut does a replay's job: page by page, each stored before the next, so
// that a restart goes on about where it was.
func (s *Service) carryOut(ctx context.Context, run sched.Run) error {
	var j replayJob
	if err := json.Unmarshal(run.Payload, &j); err != nil {
		return sched.Permanent(err)
	}
	k := replayKey{place{j.Account, j.Region}, j.Replay}
	for {
		r, err := decode[replay](s.store.db.Get(ctx, k.key()))
		if isAbsent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		var done bool
		if r.State != api.ReplayStateCancelling {
			if done, err = s.replayPage(ctx, k, r); err != nil {
				return err
			}
		}
		again, err := s.progress(ctx, k, r, done)
		if err != nil || !again {
			if fault.As(err) != nil {
				return nil // the replay is gone
			}
			return err
		}
	}
}

// progress stores how far a replay has come, and says whether it goes on.
func (s *Service) progress(ctx context.Context, k replayKey, seen *replay, done bool) (again bool, err error) {
	err = s.store.changeReplay(ctx, k, func(_ *kv.Tx, r *replay) error {
		r.Position, r.Last = seen.Position, seen.Last
		again = false
		switch {
		case r.State == api.ReplayStateCancelling:
			r.State, r.Ended = api.ReplayStateCancelled, s.deps.Clock.Now().UTC()
		case done:
			r.State, r.Ended = api.ReplayStateCompleted, s.deps.Clock.Now().UTC()
		default:
			r.State, again = api.ReplayStateRunning, true
		}
		return nil
	})
	return again, err
}

// replayPage routes the next events of a replay.
func (s *Service) replayPage(ctx context.Context, k replayKey, r *replay) (done bool, err error) {
	from := archiveKey{k.place, r.Archive}
	span := kv.Prefix(from.events())
	span.Start = append(from.events(), tuple.Key(r.From.UnixMilli())...)
	span.End = append(from.events(), tuple.Key(r.To.UnixMilli())...)
	span.Limit = replayPage
	if r.Position != nil {
		span = span.After(r.Position)
		span.Limit = replayPage
	}
	items, err := s.store.db.Scan(ctx, span)
	if err != nil {
		return false, err
	}
	c := s.deps.System(k.account, k.region)
	c.RequestID = k.replay
	var list []routed
	for _, it := range items {
		a, err := decode[archived](it.Value, nil)
		if err != nil {
			return false, err
		}
		var e event
		if err := json.Unmarshal(a.Event, &e); err != nil {
			return false, err
		}
		e.Replay = r.Name
		raw, err := e.encode()
		if err != nil {
			return false, err
		}
		list = append(list, routed{bus: busKey{k.place, r.Bus}, event: raw, replay: r})
		r.Position = it.Key
		r.Last, _ = time.Parse(timeFormat, e.Time)
	}
	return !span.More(items), s.route(ctx, c, list)
}

// wants says whether a replay goes to a rule.
func (r *replay) wants(k ruleKey) bool {
	return r == nil || len(r.Rules) == 0 || slices.Contains(r.Rules, k.arn())
}
