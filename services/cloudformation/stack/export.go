package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// ExportConflict says why outputs cannot be exported as they are.
type ExportConflict string

// Error returns CloudFormation's text.
func (e ExportConflict) Error() string { return string(e) }

// Export loads an export, or ErrNotFound.
func (s *Store) Export(ctx context.Context, p Place, name string) (*Export, error) {
	return get[Export](ctx, s.db, exportKey(p, name))
}

// Exports gives all exports of a place, by name.
func (s *Store) Exports(ctx context.Context, p Place) ([]Export, error) {
	return list[Export](ctx, s.db, kv.Prefix(p.key("export")))
}

// Importers gives the names of the stacks that import an export.
func (s *Store) Importers(ctx context.Context, p Place, name string) ([]string, error) {
	var out []string
	err := s.db.Each(ctx, kv.Prefix(p.key("import", name)), func(it kv.Item) (bool, error) {
		out = append(out, string(it.Value))
		return true, nil
	})
	slices.Sort(out)
	return out, err
}

// AddImport notes that a stack imports an export, which from now on cannot be
// removed. ErrNotFound: there is no such export.
func (s *Store) AddImport(ctx context.Context, st *Stack, name string) (value string, err error) {
	p := st.Place()
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(exportKey(p, name))
		if errors.Is(err, kv.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		var e Export
		if err := decode(raw, &e); err != nil {
			return err
		}
		value = e.Value
		return tx.Put(importKey(p, name, st.ID), []byte(st.Name))
	})
	return value, err
}

// KeepImports drops a stack's imports except those named.
func (s *Store) KeepImports(ctx context.Context, st *Stack, names []string) error {
	p := st.Place()
	var b kv.Batch
	err := s.db.Each(ctx, kv.Prefix(p.key("import")), func(it kv.Item) (bool, error) {
		name, id, err := importParts(it.Key, len(p.key("import")))
		if err != nil {
			return false, err
		}
		if id == st.ID && !slices.Contains(names, name) {
			b.Delete(it.Key)
		}
		return true, nil
	})
	if err != nil || b.Len() == 0 {
		return err
	}
	return s.db.Apply(ctx, &b)
}

func importParts(key []byte, skip int) (name, id string, err error) {
	name, rest, err := tuple.DecodeString(key[skip:])
	if err != nil {
		return "", "", fmt.Errorf("stack: import key: %w", err)
	}
	id, _, err = tuple.DecodeString(rest)
	return name, id, err
}

// SetExports makes a stack's exports those of its outputs: names are unique in
// a place, and what others import neither changes nor goes. A conflict is an
// ExportConflict.
func (s *Store) SetExports(ctx context.Context, st *Stack, outputs []Output) error {
	p := st.Place()
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		wanted := map[string]string{}
		for _, o := range outputs {
			if o.Export != "" {
				wanted[o.Export] = o.Value
			}
		}
		items, err := tx.Scan(kv.Prefix(p.key("export")))
		if err != nil {
			return err
		}
		for _, it := range items {
			var e Export
			if err := decode(it.Value, &e); err != nil {
				return err
			}
			value, keep := wanted[e.Name]
			if e.StackID != st.ID {
				if keep {
					return ExportConflict(fmt.Sprintf("Export with name %s is already exported by stack %s.", e.Name, e.StackName))
				}
				continue
			}
			if keep && value == e.Value {
				continue
			}
			if err := s.freeExport(tx, p, e.Name, keep); err != nil {
				return err
			}
			if err := tx.Delete(it.Key); err != nil {
				return err
			}
		}
		for name, value := range wanted {
			e := Export{Name: name, Value: value, StackID: st.ID, StackARN: st.ARN, StackName: st.Name}
			if err := tx.Put(exportKey(p, name), encode(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// freeExport fails while an export is in use.
func (s *Store) freeExport(tx *kv.Tx, p Place, name string, updated bool) error {
	used, err := tx.Scan(kv.Prefix(p.key("import", name)))
	if err != nil || len(used) == 0 {
		return err
	}
	verb := "deleted"
	if updated {
		verb = "updated"
	}
	return ExportConflict(fmt.Sprintf("Export %s cannot be %s as it is in use by %s", name, verb, used[0].Value))
}
