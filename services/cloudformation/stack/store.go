package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Store keeps stacks in a kv.DB.
type Store struct{ db *kv.DB }

// NewStore returns a store over db, which holds nothing else.
func NewStore(db *kv.DB) *Store { return &Store{db} }

// ErrNotFound is returned where there is no such thing.
var ErrNotFound = errors.New("stack: not found")

func (p Place) key(parts ...any) []byte {
	return tuple.Append(tuple.Key(p.Account, p.Region), parts...)
}

func stackKey(p Place, id string) []byte              { return p.key("stack", id) }
func nameKey(p Place, name string) []byte             { return p.key("name", name) }
func resourceKey(p Place, id, logical string) []byte  { return p.key("resource", id, logical) }
func setKey(p Place, id, set string) []byte           { return p.key("set", id, set) }
func templateKey(p Place, id, template string) []byte { return p.key("template", id, template) }
func exportKey(p Place, name string) []byte           { return p.key("export", name) }
func importKey(p Place, name, id string) []byte       { return p.key("import", name, id) }
func workKey(p Place, id string) []byte               { return tuple.Key("work", p.Account, p.Region, id) }

// decode keeps numbers as they were written.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("stack: decode %T: %w", into, err)
	}
	return nil
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		// Values come from JSON or YAML; what cannot be written back is a bug.
		panic(fmt.Sprintf("stack: encode %T: %v", v, err))
	}
	return raw
}

func get[T any](ctx context.Context, db *kv.DB, key []byte) (*T, error) {
	raw, err := db.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, decode(raw, v)
}

func list[T any](ctx context.Context, db *kv.DB, r kv.Range) ([]T, error) {
	var out []T
	err := db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var v T
		if err := decode(it.Value, &v); err != nil {
			return false, err
		}
		out = append(out, v)
		return true, nil
	})
	return out, err
}

// Get loads a stack by its id.
func (s *Store) Get(ctx context.Context, p Place, id string) (*Stack, error) {
	return get[Stack](ctx, s.db, stackKey(p, id))
}

// ByName loads the stack that holds a name.
func (s *Store) ByName(ctx context.Context, p Place, name string) (*Stack, error) {
	id, err := s.db.Get(ctx, nameKey(p, name))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, p, string(id))
}

// List gives all stacks of a place, deleted ones included.
func (s *Store) List(ctx context.Context, p Place) ([]Stack, error) {
	return list[Stack](ctx, s.db, kv.Prefix(p.key("stack")))
}

// Insert stores a new stack with its first event; false: its name is taken.
func (s *Store) Insert(ctx context.Context, st *Stack, template string, first Event) (bool, error) {
	free := true
	name := nameKey(st.Place(), st.Name)
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(name)
		free = errors.Is(err, kv.ErrNotFound)
		if err != nil && !free {
			return err
		}
		if !free {
			return nil
		}
		return errors.Join(tx.Put(name, []byte(st.ID)), s.putStack(tx, st),
			tx.Put(st.Place().key("event", st.ID, first.sortKey()), encode(first)),
			tx.Put(templateKey(st.Place(), st.ID, st.Deployed.TemplateID), []byte(template)))
	}, name)
	return free, err
}

// putStack writes a stack and, with its operation, the work key (S1).
func (s *Store) putStack(tx *kv.Tx, st *Stack) error {
	work := workKey(st.Place(), st.ID)
	if st.Op == nil {
		if err := tx.Delete(work); err != nil {
			return err
		}
	} else if _, err := tx.Get(work); errors.Is(err, kv.ErrNotFound) {
		if err := tx.Put(work, encode(Lease{Place: st.Place(), ID: st.ID})); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if !st.Active() {
		if err := tx.Delete(nameKey(st.Place(), st.Name)); err != nil {
			return err
		}
	}
	return tx.Put(stackKey(st.Place(), st.ID), encode(st))
}

// Change loads a stack, lets fn change it, and stores it with the events that
// fn returns.
func (s *Store) Change(ctx context.Context, p Place, id string, fn func(st *Stack) ([]Event, error)) (*Stack, error) {
	var out *Stack
	key := stackKey(p, id)
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		st := new(Stack)
		if err := decode(raw, st); err != nil {
			return err
		}
		events, err := fn(st)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := tx.Put(p.key("event", id, e.sortKey()), encode(e)); err != nil {
				return err
			}
		}
		out = st
		return s.putStack(tx, st)
	}, key)
	return out, err
}

// sortKey orders events by time; events of one moment stay apart by their id.
func (e Event) sortKey() string {
	return e.Time.UTC().Format("20060102150405.000000000") + " " + e.ID
}

// AddEvent stores an event.
func (s *Store) AddEvent(ctx context.Context, p Place, id string, e Event) error {
	return s.db.Put(ctx, p.key("event", id, e.sortKey()), encode(e))
}

// PutResource stores a resource with the event that tells of it.
func (s *Store) PutResource(ctx context.Context, p Place, id string, r *Resource, e *Event) error {
	var b kv.Batch
	b.Put(resourceKey(p, id, r.LogicalID), encode(r))
	if e != nil {
		b.Put(p.key("event", id, e.sortKey()), encode(e))
	}
	return s.db.Apply(ctx, &b)
}

// DeleteResource forgets a resource.
func (s *Store) DeleteResource(ctx context.Context, p Place, id, logical string) error {
	return s.db.Delete(ctx, resourceKey(p, id, logical))
}

// Resources gives a stack's resources by logical id.
func (s *Store) Resources(ctx context.Context, p Place, id string) ([]Resource, error) {
	return list[Resource](ctx, s.db, kv.Prefix(p.key("resource", id)))
}

// Resource loads one resource.
func (s *Store) Resource(ctx context.Context, p Place, id, logical string) (*Resource, error) {
	return get[Resource](ctx, s.db, resourceKey(p, id, logical))
}

// Events gives a page of events, newest first, and the token of the next one.
func (s *Store) Events(ctx context.Context, p Place, id, token string, limit int) ([]Event, string, error) {
	r := kv.Prefix(p.key("event", id))
	r.Reverse, r.Limit = true, limit
	if token != "" {
		r.End = p.key("event", id, token)
	}
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return nil, "", err
	}
	out := make([]Event, len(items))
	for i, it := range items {
		if err := decode(it.Value, &out[i]); err != nil {
			return nil, "", err
		}
	}
	if !r.More(items) || len(out) == 0 {
		return out, "", nil
	}
	return out, out[len(out)-1].sortKey(), nil
}

// PutTemplate stores a template's text.
func (s *Store) PutTemplate(ctx context.Context, p Place, id, template, text string) error {
	return s.db.Put(ctx, templateKey(p, id, template), []byte(text))
}

// Template loads a template's text.
func (s *Store) Template(ctx context.Context, p Place, id, template string) (string, error) {
	raw, err := s.db.Get(ctx, templateKey(p, id, template))
	if errors.Is(err, kv.ErrNotFound) {
		return "", ErrNotFound
	}
	return string(raw), err
}

// DeleteTemplate forgets a template.
func (s *Store) DeleteTemplate(ctx context.Context, p Place, id, template string) error {
	return s.db.Delete(ctx, templateKey(p, id, template))
}

// PutSet stores a change set, with its template where text is not empty.
func (s *Store) PutSet(ctx context.Context, p Place, cs *ChangeSet, text string) error {
	var b kv.Batch
	b.Put(setKey(p, cs.StackID, cs.ID), encode(cs))
	if text != "" {
		b.Put(templateKey(p, cs.StackID, cs.Target.TemplateID), []byte(text))
	}
	return s.db.Apply(ctx, &b)
}

// Sets gives a stack's change sets.
func (s *Store) Sets(ctx context.Context, p Place, id string) ([]ChangeSet, error) {
	return list[ChangeSet](ctx, s.db, kv.Prefix(p.key("set", id)))
}

// DeleteSet forgets a change set; its template stays where keepTemplate says.
func (s *Store) DeleteSet(ctx context.Context, p Place, cs *ChangeSet, keepTemplate bool) error {
	var b kv.Batch
	b.Delete(setKey(p, cs.StackID, cs.ID))
	if !keepTemplate {
		b.Delete(templateKey(p, cs.StackID, cs.Target.TemplateID))
	}
	return s.db.Apply(ctx, &b)
}
