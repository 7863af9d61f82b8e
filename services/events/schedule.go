package events

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"moln.dev/moln/aws/cron"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
)

// What scheduled events say of themselves.
const (
	scheduledSource = "aws.events"
	scheduledType   = "Scheduled Event"
)

// checkSchedule makes sure that a rule's schedule is one, and on the default bus.
func checkSchedule(k busKey, expression *string) error {
	if smithy.Val(expression) == "" {
		return nil
	}
	if k.name != defaultBus {
		return invalid("ScheduleExpression is supported only on the default event bus.")
	}
	if _, err := cron.Parse(*expression); err != nil {
		return invalid("Parameter ScheduleExpression is not valid.")
	}
	return nil
}

// timer is the payload of a schedule's job. Round is the rule's when it was made.
type timer struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Rule    string `json:"rule"`
	Round   string `json:"round"`
}

func timerKey(k ruleKey) string { return strings.Join([]string{k.account, k.region, k.rule}, "/") }

// arm sets the timer of a rule that is about to be what now says, in the
// transaction that changes it. A rate begins when it is set or enabled; one that
// stays as it was goes on.
func (s *Service) arm(tx *kv.Tx, k ruleKey, old, now *rule, at time.Time) error {
	ran := old != nil && old.Schedule != "" && old.enabled()
	runs := now != nil && now.Schedule != "" && now.enabled()
	if !runs {
		if ran {
			return s.deps.Sched.CancelTx(tx, scheduleKind, timerKey(k))
		}
		return nil
	}
	if ran && old.Schedule == now.Schedule {
		return nil
	}
	now.Round = s.deps.Ident.Sortable()
	return s.setTimer(tx, k, now, at, at)
}

// setTimer sets a rule's timer for its next due time after now; last is the one
// before.
func (s *Service) setTimer(tx *kv.Tx, k ruleKey, r *rule, last, now time.Time) error {
	schedule, err := cron.Parse(r.Schedule)
	if err != nil {
		return err // it was checked when it was stored
	}
	due, ok := schedule.Next(last.UTC(), now.UTC(), time.UTC)
	if !ok {
		return s.deps.Sched.CancelTx(tx, scheduleKind, timerKey(k))
	}
	raw, err := json.Marshal(timer{k.account, k.region, k.rule, r.Round})
	if err != nil {
		return err
	}
	return s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: scheduleKind, Key: timerKey(k), Replace: true, Payload: raw, RunAt: due})
}

// fire sends a rule's scheduled event to its targets (E3).
func (s *Service) fire(ctx context.Context, run sched.Run) error {
	var t timer
	if err := json.Unmarshal(run.Payload, &t); err != nil {
		return sched.Permanent(err)
	}
	k := ruleKey{busKey{place{t.Account, t.Region}, defaultBus}, t.Rule}
	ev := event{
		Version: "0", ID: s.deps.Ident.UUID(), DetailType: scheduledType, Source: scheduledSource, Account: t.Account,
		Time: run.RunAt.UTC().Format(timeFormat), Region: t.Region, Resources: []string{k.arn()}, Detail: json.RawMessage("{}"),
	}
	raw, err := ev.encode()
	if err != nil {
		return err
	}
	c := s.deps.System(t.Account, t.Region)
	c.RequestID = ev.ID
	return s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		r, err := decode[rule](tx.Get(k.key()))
		if err != nil && !isAbsent(err) {
			return err
		}
		if err := run.FinishTx(tx); err != nil {
			return err
		}
		if r == nil || !r.enabled() || r.Round != t.Round {
			return nil // the timer of a rule that is no longer so
		}
		for _, target := range r.Targets {
			d := deliveryOf(k, *target.Id, c, raw)
			j, err := d.job()
			if err != nil {
				return err
			}
			if err := s.deps.Sched.EnqueueTx(tx, j); err != nil {
				return err
			}
		}
		return s.setTimer(tx, k, r, run.RunAt, s.deps.Clock.Now())
	})
}
