package sns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	kmsapi "moln.dev/moln/api/kms"
	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
)

// dedupWindow is how long FIFO topics know what they have got
// (fifo-message-dedup).
const dedupWindow = 5 * time.Minute

// expiredPerPublish is how many old ids of a FIFO topic go with each new one.
const expiredPerPublish = 8

// firstSequence is what sequence numbers begin after: they have 20 digits.
const firstSequence = "1%019d"

// destination is the topic that a message is published to.
func destination(in *api.PublishInput) (parameter, text string, err error) {
	switch {
	case in.TopicArn != nil:
		return "TopicArn", *in.TopicArn, nil
	case in.TargetArn != nil:
		a, err := parts("TargetArn", *in.TargetArn)
		if err != nil {
			return "", "", err
		}
		if kind, _ := a.SplitResource(); kind == "endpoint" {
			return "", "", invalid("TargetArn Reason: No endpoint found for the target arn specified")
		}
		return "TargetArn", *in.TargetArn, nil
	case in.PhoneNumber != nil:
		return "", "", unsupported("text messages to phones")
	}
	return "", "", invalid("TopicArn or TargetArn Reason: no value for required parameter")
}

func (s *Service) publish(ctx context.Context, c *service.Call, in *api.PublishInput) (*api.PublishOutput, error) {
	parameter, text, err := destination(in)
	if err != nil {
		return nil, err
	}
	t, err := s.findTopic(ctx, c, parameter, text)
	if err != nil {
		return nil, err
	}
	m, err := compose(t, entry{
		Message: in.Message, Subject: in.Subject, Structure: in.MessageStructure, Attributes: in.MessageAttributes,
		Dedup: in.MessageDeduplicationId, Group: in.MessageGroupId,
	})
	if err != nil {
		return nil, err
	}
	if err := s.mayEncrypt(ctx, c, t); err != nil {
		return nil, err
	}
	out, err := s.accept(ctx, c, t, []*message{m})
	if err != nil {
		return nil, err
	}
	return &api.PublishOutput{MessageId: &out[0].ID, SequenceNumber: out[0].sequence()}, nil
}

func (s *Service) publishBatch(ctx context.Context, c *service.Call, in *api.PublishBatchInput) (*api.PublishBatchOutput, error) {
	t, err := s.findTopic(ctx, c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.PublishBatchRequestEntries); err != nil {
		return nil, err
	}
	if err := s.mayEncrypt(ctx, c, t); err != nil {
		return nil, err
	}
	out := &api.PublishBatchOutput{Successful: []api.PublishBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	var good []*message
	var ids []*string
	for _, e := range in.PublishBatchRequestEntries {
		m, err := compose(t, batchEntry(e))
		if err != nil {
			return nil, err // SNS refuses the batch as a whole for any entry's form
		}
		good, ids = append(good, m), append(ids, e.Id)
	}
	done, err := s.accept(ctx, c, t, good)
	if err != nil {
		return nil, err
	}
	for i, m := range done {
		out.Successful = append(out.Successful, api.PublishBatchResultEntry{Id: ids[i], MessageId: &m.ID, SequenceNumber: m.sequence()})
	}
	return out, nil
}

func (m *message) sequence() *string {
	if m.Sequence == "" {
		return nil
	}
	return &m.Sequence
}

// mayEncrypt asks KMS, in the publisher's name, for a data key of an encrypted
// topic's key: who may not use the key may not publish, and a disabled key takes
// no messages.
func (s *Service) mayEncrypt(ctx context.Context, c *service.Call, t *topic) error {
	key := t.Attributes[attrKMSKey]
	if key == "" {
		return nil
	}
	here := *c
	here.Account, here.Region = t.Account, t.Region
	_, err := service.Invoke(ctx, &here, kmsapi.GenerateDataKey, &kmsapi.GenerateDataKeyInput{
		KeyId: &key, KeySpec: new(kmsapi.DataKeySpecAes256), EncryptionContext: map[string]string{"aws:sns:topicArn": t.arn()},
	})
	f := fault.As(err)
	switch {
	case f == nil:
		return err
	case f.Code == "NotFoundException":
		return api.ErrKMSNotFoundException("%s (Service: AWSKMS; Status Code: %d; Error Code: %s)", f.Message, f.Status, f.Code)
	case f.Code == "DisabledException":
		return api.ErrKMSDisabledException("%s (Service: AWSKMS; Status Code: %d; Error Code: %s)", f.Message, f.Status, f.Code)
	case f.Code == "KMSInvalidStateException":
		return api.ErrKMSInvalidStateException("%s (Service: AWSKMS; Status Code: %d; Error Code: %s)", f.Message, f.Status, f.Code)
	case f.Code == "AccessDeniedException":
		return api.ErrKMSAccessDeniedException("%s (Service: AWSKMS; Status Code: %d; Error Code: %s)", f.Message, f.Status, f.Code)
	}
	return f
}

// accept takes messages, all or none; it returns when they are durable. What it
// gives for a duplicate is the message that came first.
func (s *Service) accept(ctx context.Context, c *service.Call, t *topic, list []*message) ([]*message, error) {
	if len(list) == 0 {
		return nil, nil
	}
	subs, err := s.store.subscribersOf(ctx, t)
	if err != nil {
		return nil, err
	}
	var to [][]string
	for _, m := range list {
		m.ID, m.Time, m.RequestID, m.Depth = s.deps.Ident.UUID(), c.Now, c.RequestID, c.Depth+1
		if c.HTTP != nil {
			m.Trace = c.HTTP.Request.Header.Get("X-Amzn-Trace-Id")
		}
		to = append(to, m.recipients(subs))
	}
	if t.FIFO {
		return s.acceptFIFO(ctx, t, list, to)
	}
	var jobs []sched.Job
	for i, m := range list {
		if len(to[i]) == 0 {
			continue
		}
		jobs = append(jobs, sched.Job{Kind: fanOutKind, Payload: s.seal(fanOut{Message: m, To: to[i]})})
	}
	if len(jobs) == 0 {
		return list, nil
	}
	return list, s.store.db.Update(ctx, func(tx *kv.Tx) error {
		for _, j := range jobs {
			if err := s.deps.Sched.EnqueueTx(tx, j); err != nil {
				return err
			}
		}
		return nil
	})
}

// recipients are the subscriptions that a message is for.
func (m *message) recipients(subs []subscriber) []string {
	var out []string
	for _, sub := range subs {
		if sub.filter.Match(m.text(sub.Protocol), m.Attributes) {
			out = append(out, sub.ID)
		}
	}
	return out
}

// seen is what a FIFO topic knows of a message it has got.
type seen struct {
	ID, Sequence string
	Until        time.Time
}

// acceptFIFO numbers messages and puts them in their groups' lines (N3).
func (s *Service) acceptFIFO(ctx context.Context, t *topic, list []*message, to [][]string) ([]*message, error) {
	id, now := t.id(), s.deps.Clock.Now()
	var out []*message
	err := s.store.db.Update(ctx, func(tx *kv.Tx) error {
		out = nil
		next, err := counter(tx, id)
		if err != nil {
			return err
		}
		for i, m := range list {
			at := id.dedupKey(t.dedupScope(m), m.Dedup)
			have, err := read[seen](tx, at)
			if err == nil && now.Before(have.Until) {
				first := *m
				first.ID, first.Sequence = have.ID, have.Sequence
				out = append(out, &first)
				continue
			}
			if err != nil && !errors.Is(err, errAbsent) {
				return err
			}
			next++
			n := *m
			n.Sequence = fmt.Sprintf(firstSequence, next)
			out = append(out, &n)
			if err := s.putFIFO(tx, t, &n, next, to[i], at, now.Add(dedupWindow)); err != nil {
				return err
			}
		}
		return tx.Put(id.sequenceKey(), strconv.AppendInt(nil, next, 10))
	}, id.sequenceKey())
	if err != nil {
		return nil, err
	}
	return out, s.forget(ctx, id, now)
}

// dedupScope is the group that an id must be new in; empty: the topic.
func (t *topic) dedupScope(m *message) string {
	if t.Attributes[attrThroughputScope] == "MessageGroup" {
		return m.Group
	}
	return ""
}

func counter(tx *kv.Tx, id topicID) (int64, error) {
	raw, err := tx.Get(id.sequenceKey())
	if errors.Is(err, errAbsent) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(raw), 10, 64)
}

func (s *Service) putFIFO(tx *kv.Tx, t *topic, m *message, number int64, to []string, dedup []byte, until time.Time) error {
	id := t.id()
	if err := tx.Put(dedup, encode(seen{ID: m.ID, Sequence: m.Sequence, Until: until})); err != nil {
		return err
	}
	if err := tx.Put(id.expiryKey(until, dedup), nil); err != nil {
		return err
	}
	if len(to) == 0 {
		return nil
	}
	w := waiting{Message: m, Pending: make([]progress, len(to))}
	for i, sub := range to {
		w.Pending[i] = progress{Subscription: sub}
	}
	if err := tx.Put(id.waitingKey(m.Group, number), s.seal(w)); err != nil {
		return err
	}
	return s.deps.Sched.EnqueueTx(tx, sched.Job{
		Kind: lineKind, Key: t.ID + "/" + contentHash(m.Group),
		Payload: encode(line{Account: t.Account, Region: t.Region, Topic: t.Name, Group: m.Group}),
	})
}

// forget removes ids whose time is over.
func (s *Service) forget(ctx context.Context, id topicID, now time.Time) error {
	r := kv.Prefix(tuple.Key(id.account, id.region, "y", id.name))
	r.End = id.expiryKey(now, nil)
	r.Limit = expiredPerPublish
	items, err := s.store.db.Scan(ctx, r)
	if err != nil || len(items) == 0 {
		return err
	}
	return s.store.db.Update(ctx, func(tx *kv.Tx) error {
		for _, it := range items {
			dedup, err := dedupOf(it.Key)
			if err != nil {
				return err
			}
			have, err := read[seen](tx, dedup)
			if err == nil && have.Until.After(now) {
				dedup = nil // the same id came again
			} else if err != nil && !errors.Is(err, errAbsent) {
				return err
			}
			if dedup != nil {
				if err := tx.Delete(dedup); err != nil {
					return err
				}
			}
			if err := tx.Delete(it.Key); err != nil {
				return err
			}
		}
		return nil
	})
}
