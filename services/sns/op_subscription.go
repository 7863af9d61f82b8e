package sns

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sns/envelope"
)

// What callers are given instead of the ARN of a subscription that waits.
const (
	pendingAnswer = "pending confirmation"
	pendingListed = "PendingConfirmation"
)

// confirmationLife is how long an endpoint has to confirm; afterwards the
// subscription is gone (API reference, Subscribe).
const confirmationLife = 48 * time.Hour

func (s *Service) subscribe(ctx context.Context, c *service.Call, in *api.SubscribeInput) (*api.SubscribeOutput, error) {
	t, err := s.findTopic(ctx, c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	protocol, endpoint := *in.Protocol, smithy.Val(in.Endpoint)
	if err := checkEndpoint(t, protocol, endpoint); err != nil {
		return nil, err
	}
	sub := &subscription{
		ID: s.deps.Ident.UUID(), Topic: t.arn(), Owner: c.Caller.AccountID, Principal: c.Caller.ARN, Protocol: protocol, Endpoint: endpoint, Created: c.Now,
	}
	if sub.Owner == "" {
		sub.Owner = c.Account
	}
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if err := sub.set(t, name, in.Attributes[name]); err != nil {
			return nil, attributesFault(name, err)
		}
	}
	if _, err := sub.checkFilter(); err != nil {
		return nil, attributesFault(attrFilter, err)
	}
	sub.Pending = !sub.local() || endpointAccount(endpoint) != sub.Owner
	sub.Authenticated = !sub.Pending
	got, err := s.addSubscription(ctx, c, t, sub, in.Attributes)
	if err != nil {
		return nil, err
	}
	if got.Pending && !smithy.Val(in.ReturnSubscriptionArn) {
		return &api.SubscribeOutput{SubscriptionArn: new(pendingAnswer)}, nil
	}
	return &api.SubscribeOutput{SubscriptionArn: new(got.arn())}, nil
}

// addSubscription stores a subscription, unless its endpoint has one, and asks its
// endpoint to confirm it if it must.
func (s *Service) addSubscription(ctx context.Context, c *service.Call, t *topic, sub *subscription, given map[string]string) (got *subscription, err error) {
	all, err := s.store.subscribersOf(ctx, t)
	if err != nil {
		return nil, err
	}
	filters := 0
	for _, have := range all {
		if have.filtered() {
			filters++
		}
	}
	err = s.store.changeTopic(ctx, t.id(), func(tx *kv.Tx, t *topic) error {
		got = sub
		have, err := subscribed(tx, t, sub.Protocol, sub.Endpoint)
		if err != nil {
			return err
		}
		switch {
		case have != nil && have.differs(t, given):
			return invalid("Attributes Reason: Subscription already exists with different attributes")
		case have != nil && !have.Pending:
			got = have
			return nil
		case have != nil:
			got = have // it is asked once more
		case sub.filtered() && filters >= filtersPerTopic:
			return api.ErrFilterPolicyLimitExceededException("Filter policy limit exceeded: a topic has at most %d.", filtersPerTopic)
		case t.Confirmed+t.Pending >= t.subscriptionsMax():
			return api.ErrSubscriptionLimitExceededException("The topic has %d subscriptions, which is the limit.", t.subscriptionsMax())
		default:
			if err := putSubscription(tx, t, sub); err != nil {
				return err
			}
		}
		if !got.Pending {
			return nil
		}
		return s.askToConfirm(tx, c, t, got)
	})
	return got, err
}

// askToConfirm queues the message that asks an endpoint to confirm, with a token
// of its own, and the end of the subscription if it does not.
func (s *Service) askToConfirm(tx *kv.Tx, c *service.Call, t *topic, sub *subscription) error {
	m := s.confirmation(c, t, envelope.SubscriptionConfirmation,
		"You have chosen to subscribe to the topic "+t.arn()+".\nTo confirm the subscription, visit the SubscribeURL included in this message.")
	if err := s.putToken(tx, t, m, sub.ID, nil); err != nil {
		return err
	}
	if err := s.expireLater(tx, t, sub.ID, c.Now); err != nil {
		return err
	}
	return s.queue(tx, delivery{Message: m, Subscription: sub})
}

// confirmation is a message about a subscription, with a new token.
func (s *Service) confirmation(c *service.Call, t *topic, kind, text string) *message {
	return &message{
		ID: s.deps.Ident.UUID(), Topic: t.arn(), Time: c.Now, Kind: kind, Token: s.deps.Ident.Hex(tokenBytes), Text: text,
		Signature: t.signature(), RequestID: c.RequestID, Depth: c.Depth + 1,
	}
}

// tokenBytes makes tokens of AWS's length.
const tokenBytes = 128

func (s *Service) putToken(tx *kv.Tx, t *topic, m *message, sub string, restore *subscription) error {
	until := m.Time.Add(confirmationLife)
	err := s.deps.Sched.EnqueueTx(tx, sched.Job{
		Kind: expiryKind, RunAt: until, Payload: encode(expiry{Account: t.Account, Region: t.Region, Topic: t.Name, Token: contentHash(m.Token)}),
	})
	if err != nil {
		return err
	}
	return tx.Put(t.place().tokenKey(m.Token), encode(token{Topic: t.Name, TopicID: t.ID, Subscription: sub, Expires: until, Restore: restore}))
}

// expireLater ends what nobody has confirmed.
func (s *Service) expireLater(tx *kv.Tx, t *topic, sub string, now time.Time) error {
	return s.deps.Sched.EnqueueTx(tx, sched.Job{
		Kind: expiryKind, Key: t.arn() + ":" + sub, Replace: true, RunAt: now.Add(confirmationLife),
		Payload: encode(expiry{Account: t.Account, Region: t.Region, Topic: t.Name, Subscription: sub}),
	})
}

// expiry is the end of a subscription that was not confirmed, or of a token.
type expiry struct {
	Account, Region, Topic string
	Subscription           string `json:",omitempty"`
	Token                  string `json:",omitempty"` // its hash
}

// errStays: the subscription was confirmed, or is gone.
var errStays = errors.New("sns: nothing to expire")

func (s *Service) expire(ctx context.Context, e expiry) error {
	id := topicID{place{e.Account, e.Region}, e.Topic}
	if e.Token != "" {
		return s.store.db.Update(ctx, func(tx *kv.Tx) error { return tx.Delete(id.hashedTokenKey(e.Token)) })
	}
	err := s.store.changeTopic(ctx, id, func(tx *kv.Tx, t *topic) error {
		sub, err := read[subscription](tx, id.subKey(e.Subscription))
		if errors.Is(err, errAbsent) || err == nil && !sub.Pending {
			return errStays
		}
		if err != nil {
			return err
		}
		return dropSubscription(tx, t, sub)
	})
	if errors.Is(err, errStays) || fault.Is(err, "NotFound") {
		return nil
	}
	return err
}

func (s *Service) confirmSubscription(ctx context.Context, c *service.Call, in *api.ConfirmSubscriptionInput) (*api.ConfirmSubscriptionOutput, error) {
	id, err := parseTopic(c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	lock := false
	if v := smithy.Val(in.AuthenticateOnUnsubscribe); v != "" {
		b, ok := boolean(v)
		if !ok {
			return nil, invalid("AuthenticateOnUnsubscribe")
		}
		lock = b == "true"
	}
	if len(*in.Token) != 2*tokenBytes {
		return nil, api.ErrInvalidParameterException("Invalid token")
	}
	arn, err := s.confirm(ctx, id.place, *in.Token, confirming{signed: true, lock: lock})
	if err != nil {
		return nil, err
	}
	return &api.ConfirmSubscriptionOutput{SubscriptionArn: &arn}, nil
}

// confirming is how somebody confirms: with a signature, and so that only a
// signature ends the subscription.
type confirming struct{ signed, lock bool }

// confirm does what a token is for. The token is the proof: who has it has
// received what the endpoint was sent. It says for itself which topic it is of. It
// may be used again until it expires; then it changes nothing. One that brings a
// subscription back does so once: whoever ends that again means it.
func (s *Service) confirm(ctx context.Context, p place, text string, how confirming) (string, error) {
	k, err := get[token](ctx, s.store.db, p.tokenKey(text))
	if errors.Is(err, errAbsent) {
		return "", invalid("Token")
	}
	if err != nil {
		return "", err
	}
	if s.deps.Clock.Now().After(k.Expires) {
		return "", invalid("Token")
	}
	id := topicID{p, k.Topic}
	var arn string
	err = s.store.changeTopic(ctx, id, func(tx *kv.Tx, t *topic) error {
		if k.TopicID != t.ID {
			return invalid("Token") // of a topic that was before
		}
		sub, err := read[subscription](tx, id.subKey(k.Subscription))
		if errors.Is(err, errAbsent) && k.Restore != nil {
			arn = k.Restore.arn()
			return restore(tx, t, p.tokenKey(text))
		}
		if errors.Is(err, errAbsent) {
			return invalid("Token")
		}
		if err != nil {
			return err
		}
		arn = sub.arn()
		if !sub.Pending {
			return nil
		}
		sub.Pending, sub.Locked, sub.Authenticated = false, how.lock, how.signed
		t.Pending--
		t.Confirmed++
		t.Generation++
		return tx.Put(id.subKey(sub.ID), encode(sub))
	})
	if fault.Is(err, "NotFound") {
		return "", invalid("Token")
	}
	return arn, err
}

// restore brings the subscription back that the token at a key is for.
func restore(tx *kv.Tx, t *topic, at []byte) error {
	now, err := read[token](tx, at)
	if errors.Is(err, errAbsent) || err == nil && now.Restore == nil {
		return invalid("Token") // it was used meanwhile
	}
	if err != nil {
		return err
	}
	sub := now.Restore
	have, err := subscribed(tx, t, sub.Protocol, sub.Endpoint)
	if err != nil {
		return err
	}
	if have != nil {
		return invalid("Token") // the endpoint has subscribed anew
	}
	if t.Confirmed+t.Pending >= t.subscriptionsMax() {
		return api.ErrSubscriptionLimitExceededException("The topic has %d subscriptions, which is the limit.", t.subscriptionsMax())
	}
	now.Restore = nil
	t.Deleted--
	return errors.Join(tx.Put(at, encode(now)), putSubscription(tx, t, sub))
}

func (s *Service) unsubscribe(ctx context.Context, c *service.Call, in *api.UnsubscribeInput) (*api.UnsubscribeOutput, error) {
	t, sub, err := s.findSubscription(ctx, c, "Unsubscribe", *in.SubscriptionArn)
	if fault.Is(err, "NotFound") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if sub.Pending && c.Caller.Kind != policy.Service && c.Caller.AccountID != t.Account {
		return nil, invalid("This subscription has not been confirmed yet")
	}
	return nil, s.remove(ctx, c, t.id(), sub.ID, false)
}

// remove ends a subscription. Where somebody asked who did not sign for it, the
// endpoint is told and may have it back.
func (s *Service) remove(ctx context.Context, c *service.Call, id topicID, name string, tell bool) error {
	err := s.store.changeTopic(ctx, id, func(tx *kv.Tx, t *topic) error {
		sub, err := read[subscription](tx, id.subKey(name))
		if errors.Is(err, errAbsent) {
			return errStays
		}
		if err != nil {
			return err
		}
		if err := dropSubscription(tx, t, sub); err != nil || !tell {
			return err
		}
		m := s.confirmation(c, t, envelope.UnsubscribeConfirmation,
			"You have chosen to deactivate subscription "+sub.arn()+".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.")
		if err := s.putToken(tx, t, m, sub.ID, sub); err != nil {
			return err
		}
		return s.queue(tx, delivery{Message: m, Subscription: sub})
	})
	if errors.Is(err, errStays) || fault.Is(err, "NotFound") {
		return nil
	}
	return err
}

func (s *Service) getSubscriptionAttributes(ctx context.Context, c *service.Call, in *api.GetSubscriptionAttributesInput) (*api.GetSubscriptionAttributesOutput, error) {
	t, sub, err := s.findSubscription(ctx, c, "GetSubscriptionAttributes", *in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	return &api.GetSubscriptionAttributesOutput{Attributes: sub.describe(t)}, nil
}

func (s *Service) setSubscriptionAttributes(ctx context.Context, c *service.Call, in *api.SetSubscriptionAttributesInput) (*api.SetSubscriptionAttributesOutput, error) {
	t, sub, err := s.findSubscription(ctx, c, "SetSubscriptionAttributes", *in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	return nil, s.store.changeSubscription(ctx, t.id(), sub.ID, func(_ *kv.Tx, t *topic, sub *subscription) error {
		if err := sub.set(t, *in.AttributeName, smithy.Val(in.AttributeValue)); err != nil {
			return attributeFault(err)
		}
		_, err := sub.checkFilter()
		return attributeFault(err)
	})
}

func (s *Service) listSubscriptions(ctx context.Context, c *service.Call, in *api.ListSubscriptionsInput) (*api.ListSubscriptionsOutput, error) {
	after, err := openToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, next, err := s.store.owned(ctx, placeOf(c), after, pageSize)
	if err != nil {
		return nil, err
	}
	return &api.ListSubscriptionsOutput{Subscriptions: listed(list), NextToken: pageToken(next)}, nil
}

func (s *Service) listSubscriptionsByTopic(ctx context.Context, c *service.Call, in *api.ListSubscriptionsByTopicInput) (*api.ListSubscriptionsByTopicOutput, error) {
	t, err := s.findTopic(ctx, c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	after, err := openToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, more, err := s.store.ofTopic(ctx, t.id(), string(after), pageSize)
	if err != nil {
		return nil, err
	}
	out := &api.ListSubscriptionsByTopicOutput{Subscriptions: listed(list)}
	if more {
		out.NextToken = pageToken([]byte(list[len(list)-1].ID))
	}
	return out, nil
}

// listed is how lists show subscriptions: those that wait have no ARN.
func listed(list []subscription) []api.Subscription {
	out := []api.Subscription{}
	for i := range list {
		sub := &list[i]
		arn := sub.arn()
		if sub.Pending {
			arn = pendingListed
		}
		out = append(out, api.Subscription{SubscriptionArn: &arn, Owner: &sub.Owner, Protocol: &sub.Protocol, Endpoint: new(sub.shown()), TopicArn: &sub.Topic})
	}
	return out
}
