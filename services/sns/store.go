package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sns/filter"
)

// store is the only place that knows keys and encodings.
type store struct {
	db      *kv.DB
	decoded *kv.Decoded[topicID, topic]

	mu   sync.Mutex
	subs map[topicID]subscribers // guarded by mu
}

// Caches hold what this many topics need.
const (
	topicsDecodedMax     = 4096
	subscribersCachedMax = 1024
)

// place is the account and region that keys begin with.
type place struct{ account, region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

type topicID struct {
	place
	name string
}

func (t *topic) id() topicID { return topicID{t.place(), t.Name} }

// Keys; doc.go has them as a table.
func (t topicID) key() []byte             { return tuple.Key(t.account, t.region, "t", t.name) }
func (t topicID) subKey(id string) []byte { return tuple.Key(t.account, t.region, "s", t.name, id) }
func (t topicID) subs() []byte            { return tuple.Key(t.account, t.region, "s", t.name) }
func (t topicID) sequenceKey() []byte     { return tuple.Key(t.account, t.region, "q", t.name) }

func (p place) tokenKey(token string) []byte {
	return p.hashedTokenKey(contentHash(token))
}

func (p place) hashedTokenKey(hash string) []byte { return tuple.Key(p.account, p.region, "c", hash) }

func (t topicID) endpointKey(protocol, endpoint string) []byte {
	return tuple.Key(t.account, t.region, "e", t.name, contentHash(protocol+"\n"+endpoint))
}

func (t topicID) dedupKey(group, dedup string) []byte {
	return tuple.Key(t.account, t.region, "d", t.name, contentHash(group+"\n"+dedup))
}

func (t topicID) expiryKey(until time.Time, key []byte) []byte {
	return tuple.Key(t.account, t.region, "y", t.name, until.UnixMicro(), key)
}

func (t topicID) waiting(group string) []byte {
	return tuple.Key(t.account, t.region, "f", t.name, contentHash(group))
}

func (t topicID) waitingKey(group string, sequence int64) []byte {
	return tuple.AppendInt(t.waiting(group), sequence)
}

// ownKey is in the place of the subscription's owner.
func ownKey(owner string, t topicID, id string) []byte {
	return tuple.Key(owner, t.region, "o", t.account, t.name, id)
}

var signingKey = tuple.Key("", "", "signing")

// errAbsent: there is no such record.
var errAbsent = kv.ErrNotFound

func contentHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func newStore(db *kv.DB) *store {
	return &store{
		db: db, subs: map[topicID]subscribers{},
		decoded: kv.NewDecoded(topicsDecodedMax, topicID.key, func(raw []byte) (*topic, error) {
			t, err := decode[topic](raw, nil)
			if err != nil {
				return nil, err
			}
			return t, t.read()
		}),
	}
}

// topic gives a topic, which is shared and must not be changed.
func (s *store) topic(ctx context.Context, id topicID) (*topic, error) {
	t, err := s.decoded.Get(ctx, s.db, id)
	if errors.Is(err, errAbsent) {
		return nil, errNoTopic()
	}
	return t, err
}

// createTopic stores a topic where there is none; otherwise it gives that which is
// there.
func (s *store) createTopic(ctx context.Context, t *topic) (have *topic, err error) {
	at := t.id().key()
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		have, err = read[topic](tx, at)
		if err == nil {
			return have.read()
		}
		if !errors.Is(err, errAbsent) {
			return err
		}
		have = nil
		return tx.Put(at, encode(t))
	}, at)
	return have, err
}

// changeTopic rewrites a topic.
func (s *store) changeTopic(ctx context.Context, id topicID, change func(*kv.Tx, *topic) error) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		t, err := read[topic](tx, id.key())
		if errors.Is(err, errAbsent) {
			return errNoTopic()
		}
		if err != nil {
			return err
		}
		if err := t.read(); err != nil {
			return err
		}
		if err := change(tx, t); err != nil {
			return err
		}
		return tx.Put(id.key(), encode(t))
	}, id.key())
}

// deleteTopic removes a topic with all that belongs to it. Entries of its
// subscriptions in their owners' lists follow.
func (s *store) deleteTopic(ctx context.Context, id topicID) error {
	subs, err := s.allSubscriptions(ctx, id)
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		for _, kind := range []string{"s", "q", "e", "d", "y", "f"} {
			r := kv.Prefix(tuple.Key(id.account, id.region, kind, id.name))
			if err := tx.DeleteRange(r.Start, r.End); err != nil {
				return err
			}
		}
		return tx.Delete(id.key())
	}, id.key())
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(subs, kv.MaxBatchItems/2) {
		var b kv.Batch
		for _, sub := range chunk {
			b.Delete(ownKey(sub.Owner, id, sub.ID))
		}
		if err := s.db.Apply(ctx, &b); err != nil {
			return err
		}
	}
	return nil
}

// subscriber is a subscription that messages are matched with.
type subscriber struct {
	*subscription
	filter *filter.Policy
}

// subscribers are a topic's at one generation.
type subscribers struct {
	topic      string
	generation int64
	all        []subscriber
	byID       map[string]*subscription
}

// subscribersOf gives the confirmed subscriptions of a topic. They are shared and
// must not be changed.
func (s *store) subscribersOf(ctx context.Context, t *topic) ([]subscriber, error) {
	have, err := s.subscribers(ctx, t)
	return have.all, err
}

// subscribersByID gives the same by their ids.
func (s *store) subscribersByID(ctx context.Context, t *topic) (map[string]*subscription, error) {
	have, err := s.subscribers(ctx, t)
	return have.byID, err
}

func (s *store) subscribers(ctx context.Context, t *topic) (subscribers, error) {
	s.mu.Lock()
	have, ok := s.subs[t.id()]
	s.mu.Unlock()
	if ok && have.topic == t.ID && have.generation == t.Generation {
		return have, nil
	}
	subs, err := s.allSubscriptions(ctx, t.id())
	if err != nil {
		return subscribers{}, err
	}
	out := subscribers{topic: t.ID, generation: t.Generation, byID: make(map[string]*subscription, len(subs))}
	for i := range subs {
		if subs[i].Pending {
			continue
		}
		f, err := subs[i].checkFilter()
		if err != nil {
			return subscribers{}, err // it was checked when it was stored
		}
		out.all = append(out.all, subscriber{&subs[i], f})
		out.byID[subs[i].ID] = &subs[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subs) >= subscribersCachedMax {
		clear(s.subs)
	}
	s.subs[t.id()] = out
	return out, nil
}

func (s *store) allSubscriptions(ctx context.Context, id topicID) ([]subscription, error) {
	out, _, err := page[subscription](ctx, s.db, id.subs(), "", 0)
	return out, err
}

func (s *store) subscription(ctx context.Context, id topicID, sub string) (*subscription, error) {
	v, err := get[subscription](ctx, s.db, id.subKey(sub))
	if errors.Is(err, errAbsent) {
		return nil, errNoSubscription()
	}
	return v, err
}

// subscribed gives the subscription of an endpoint, or nil.
func subscribed(tx *kv.Tx, t *topic, protocol, endpoint string) (*subscription, error) {
	id, err := tx.Get(t.id().endpointKey(protocol, endpoint))
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := read[subscription](tx, t.id().subKey(string(id)))
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	return v, err
}

// putSubscription stores a new subscription of t, which the caller stores too.
func putSubscription(tx *kv.Tx, t *topic, sub *subscription) error {
	t.Generation++
	if sub.Pending {
		t.Pending++
	} else {
		t.Confirmed++
	}
	id := t.id()
	if err := tx.Put(id.endpointKey(sub.Protocol, sub.Endpoint), []byte(sub.ID)); err != nil {
		return err
	}
	if err := tx.Put(ownKey(sub.Owner, id, sub.ID), nil); err != nil {
		return err
	}
	return tx.Put(id.subKey(sub.ID), encode(sub))
}

// dropSubscription removes a subscription of t, which the caller stores.
func dropSubscription(tx *kv.Tx, t *topic, sub *subscription) error {
	t.Generation++
	t.Deleted++
	if sub.Pending {
		t.Pending--
	} else {
		t.Confirmed--
	}
	id := t.id()
	for _, key := range [][]byte{id.subKey(sub.ID), id.endpointKey(sub.Protocol, sub.Endpoint), ownKey(sub.Owner, id, sub.ID)} {
		if err := tx.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// changeSubscription rewrites a subscription.
func (s *store) changeSubscription(ctx context.Context, id topicID, sub string, change func(*kv.Tx, *topic, *subscription) error) error {
	return s.changeTopic(ctx, id, func(tx *kv.Tx, t *topic) error {
		v, err := read[subscription](tx, id.subKey(sub))
		if errors.Is(err, errAbsent) {
			return errNoSubscription()
		}
		if err != nil {
			return err
		}
		if err := change(tx, t, v); err != nil {
			return err
		}
		t.Generation++
		return tx.Put(id.subKey(sub), encode(v))
	})
}

// token is what a confirmation's token stands for.
type token struct {
	Topic, Subscription string // the topic's name
	// TopicID tells the topic from a later one of the name.
	TopicID string
	Expires time.Time
	// Restore is the subscription that the token brings back.
	Restore *subscription `json:",omitempty"`
}

// topics gives a page of the topics of a place.
func (s *store) topics(ctx context.Context, p place, after string, limit int) ([]topic, bool, error) {
	return page[topic](ctx, s.db, tuple.Key(p.account, p.region, "t"), after, limit)
}

// ofTopic gives a page of a topic's subscriptions.
func (s *store) ofTopic(ctx context.Context, id topicID, after string, limit int) ([]subscription, bool, error) {
	return page[subscription](ctx, s.db, id.subs(), after, limit)
}

// owned gives a page of an account's subscriptions. next is where to go on.
func (s *store) owned(ctx context.Context, p place, after []byte, limit int) (out []subscription, next []byte, err error) {
	r := kv.Prefix(tuple.Key(p.account, p.region, "o"))
	if after != nil {
		r = r.After(after)
	}
	r.Limit = limit + 1
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].Key
	}
	keys := make([][]byte, len(items))
	for i, it := range items {
		if keys[i], err = subKeyOf(p.region, it.Key); err != nil {
			return nil, nil, err
		}
	}
	values, err := s.db.GetMany(ctx, keys...)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range values {
		if v == nil {
			continue
		}
		sub, err := decode[subscription](v, nil)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, *sub)
	}
	return out, next, nil
}

// subKeyOf is the key of the subscription that an entry of an owner's list names.
func subKeyOf(region string, own []byte) ([]byte, error) {
	parts := make([]string, 6)
	for i := range parts {
		var err error
		if parts[i], own, err = tuple.DecodeString(own); err != nil {
			return nil, err
		}
	}
	return topicID{place{parts[3], region}, parts[4]}.subKey(parts[5]), nil
}

// dedupOf is the key of the id that an entry of a topic's expiries names.
func dedupOf(expiry []byte) ([]byte, error) {
	var err error
	for range 4 { // account, region, kind, topic
		if _, expiry, err = tuple.DecodeString(expiry); err != nil {
			return nil, err
		}
	}
	if _, expiry, err = tuple.DecodeInt(expiry); err != nil {
		return nil, err
	}
	key, _, err := tuple.DecodeBytes(expiry)
	return key, err
}

// page reads values after a name; limit 0 reads all. more says whether there are
// more.
func page[T any](ctx context.Context, db *kv.DB, base []byte, after string, limit int) (out []T, more bool, err error) {
	r := kv.Prefix(base)
	if after != "" {
		r.Start = append(tuple.AppendString(slices.Clone(base), after), 0)
	}
	if limit > 0 {
		r.Limit = limit + 1
	}
	err = db.Each(ctx, r, func(it kv.Item) (bool, error) {
		if limit > 0 && len(out) == limit {
			more = true
			return false, nil
		}
		var v T
		if err := json.Unmarshal(it.Value, &v); err != nil {
			return false, err
		}
		out = append(out, v)
		return true, nil
	})
	return out, more, err
}

func get[T any](ctx context.Context, db *kv.DB, at []byte) (*T, error) {
	return decode[T](db.Get(ctx, at))
}

func read[T any](tx *kv.Tx, at []byte) (*T, error) { return decode[T](tx.Get(at)) }

func decode[T any](b []byte, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, json.Unmarshal(b, v)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of strings, numbers and times
	}
	return b
}
