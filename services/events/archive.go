package events

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Limits of archives and replays.
//
// Source: EventBridge quotas.
const (
	activeReplaysMax = 10
	retentionEvery   = time.Hour
)

// archiveKey is an archive by its name.
type archiveKey struct {
	place
	archive string
}

func (k archiveKey) arn() string { return k.place.arn("archive/" + k.archive) }
func (k archiveKey) key() []byte { return k.place.key("a", k.archive) }

// events is where the archive's events begin.
func (k archiveKey) events() []byte { return k.place.key("e", k.archive) }

// archive keeps the events of a bus that match its pattern.
type archive struct {
	Name        string    `json:"name"`
	Bus         string    `json:"bus"`
	Description string    `json:"description,omitempty"`
	Pattern     string    `json:"pattern,omitempty"`
	Retention   int32     `json:"retention,omitempty"` // days; 0: for ever
	Created     time.Time `json:"created"`
}

// archived is an event in an archive.
type archived struct {
	Taken time.Time       `json:"taken"`
	Event json.RawMessage `json:"event"`
}

// compiledArchive is an archive that can be matched; a nil pattern matches all.
type compiledArchive struct {
	key     archiveKey
	pattern *eventpattern.Pattern
}

func compileArchive(p place, a *archive) (compiledArchive, error) {
	out := compiledArchive{key: archiveKey{p, a.Name}}
	if a.Pattern == "" {
		return out, nil
	}
	var err error
	out.pattern, err = eventpattern.Parse([]byte(a.Pattern), eventpattern.EventBridge)
	return out, err
}

// eventKey is where an event of an archive is stored: in the order of its time.
func (k archiveKey) eventKey(e *event) []byte {
	at, err := time.Parse(timeFormat, e.Time)
	if err != nil {
		at = time.Time{}
	}
	return append(k.events(), tuple.Key(at.UnixMilli(), e.ID)...)
}

func noArchive(name string) error {
	return api.ErrResourceNotFoundException("Archive %s does not exist.", name)
}

func noReplay(name string) error {
	return api.ErrResourceNotFoundException("Replay %s does not exist.", name)
}

// sourceBus reads the ARN of a bus of the account and region.
func sourceBus(p place, text string) (busKey, bool) {
	a, err := arn.Parse(text)
	name, ok := strings.CutPrefix(a.Resource, "event-bus/")
	k := busKey{place{a.Account, a.Region}, name}
	return k, err == nil && ok && a.Service == "events" && k.place == p
}

func (s *store) archive(ctx context.Context, k archiveKey) (*archive, error) {
	a, err := decode[archive](s.db.Get(ctx, k.key()))
	if isAbsent(err) {
		return nil, noArchive(k.archive)
	}
	return a, err
}

// changeArchive makes an archive what change says: a is nil where there is none,
// and change gives nil for none. Its bus counts as changed (E4).
func (s *store) changeArchive(ctx context.Context, k archiveKey, bus busKey, change func(a *archive) (*archive, error)) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		a, err := decode[archive](tx.Get(k.key()))
		if isAbsent(err) {
			a, err = nil, nil
		}
		if err != nil {
			return err
		}
		was := a != nil
		if a, err = change(a); err != nil {
			return err
		}
		b, err := busIn(tx, bus)
		if isAbsent(err) {
			if a != nil {
				return noBus(bus.name)
			}
			return errors.Join(tx.Delete(k.key()), tx.DeleteRange(k.events(), tuple.End(k.events())))
		}
		if err != nil {
			return err
		}
		b.Generation++
		if a == nil {
			b.Archives--
			return errors.Join(tx.Delete(k.key()), tx.DeleteRange(k.events(), tuple.End(k.events())), tx.Put(bus.key(), encode(b)))
		}
		if !was {
			b.Archives++
		}
		return errors.Join(tx.Put(k.key(), encode(a)), tx.Put(bus.key(), encode(b)))
	}, bus.key(), k.key())
}

// extent is how many events an archive holds, and their bytes.
func (s *store) extent(ctx context.Context, k archiveKey) (events, bytes int64, err error) {
	r := kv.Prefix(k.events())
	r.End = tuple.End(k.events())
	err = s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		a, err := decode[archived](it.Value, nil)
		if err != nil {
			return false, err
		}
		events, bytes = events+1, bytes+int64(len(a.Event))
		return true, nil
	})
	return events, bytes, err
}

// archivesOf are those of a bus.
func (s *store) archivesOf(ctx context.Context, k busKey) ([]archive, error) {
	all, err := page[archive](ctx, s.db, k.place.key("a"), "", "", 0)
	var out []archive
	for _, a := range all {
		if a.Bus == k.name {
			out = append(out, a)
		}
	}
	return out, err
}

// everyArchive calls fn with the archives of all accounts and regions.
func (s *store) everyArchive(ctx context.Context, fn func(archiveKey, *archive) error) error {
	next := kv.Range{Limit: 1}
	for {
		items, err := s.db.Scan(ctx, next)
		if err != nil || len(items) == 0 {
			return err
		}
		account, rest, err := tuple.DecodeString(items[0].Key)
		if err != nil {
			return err
		}
		region, _, err := tuple.DecodeString(rest)
		if err != nil {
			return err
		}
		p := place{account, region}
		all, err := page[archive](ctx, s.db, p.key("a"), "", "", 0)
		if err != nil {
			return err
		}
		for i := range all {
			if err := fn(archiveKey{p, all[i].Name}, &all[i]); err != nil {
				return err
			}
		}
		next.Start = tuple.End(tuple.Key(account, region))
	}
}

// expire removes from archives what they have kept for long enough.
func (s *Service) expire(ctx context.Context) error {
	now := s.deps.Clock.Now()
	return s.store.everyArchive(ctx, func(k archiveKey, a *archive) error {
		if a.Retention == 0 {
			return nil
		}
		return s.store.expire(ctx, k, now.AddDate(0, 0, -int(a.Retention)))
	})
}

func (s *store) expire(ctx context.Context, k archiveKey, before time.Time) error {
	r := kv.Prefix(k.events())
	r.End = tuple.End(k.events())
	var batch kv.Batch
	err := s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		a, err := decode[archived](it.Value, nil)
		if err == nil && a.Taken.Before(before) {
			batch.Delete(it.Key)
		}
		return batch.Len() < jobsAtOnce, err
	})
	if err != nil || batch.Len() == 0 {
		return err
	}
	full := batch.Len() >= jobsAtOnce
	if err := s.db.Apply(ctx, &batch); err != nil || !full {
		return err
	}
	return s.expire(ctx, k, before)
}
