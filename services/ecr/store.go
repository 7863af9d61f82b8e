package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// store is the only place that knows keys and encodings.
type store struct {
	db      *kv.DB
	decoded *kv.Decoded[repositoryKey, repository]
}

type repositoryKey struct {
	place
	name string
}

// decodedMax is how many repositories are kept decoded, their policies compiled.
const decodedMax = 1024

func newStore(db *kv.DB) *store {
	return &store{db, kv.NewDecoded(decodedMax, func(k repositoryKey) []byte { return k.repositoryKey(k.name) }, decodeRepository)}
}

func (p place) key(kind string, rest ...any) []byte {
	return tuple.Key(append([]any{p.account, p.region, kind}, rest...)...)
}

func (p place) repositoryKey(name string) []byte    { return p.key("r", name) }
func (r *repository) imageKey(digest string) []byte { return r.at.key("i", r.ID, digest) }
func (r *repository) tagKey(tag string) []byte      { return r.at.key("t", r.ID, tag) }
func (r *repository) layerKey(digest string) []byte { return r.at.key("l", r.ID, digest) }
func (r *repository) uploadKey(id string) []byte    { return r.at.key("u", r.ID, id) }
func (p place) contentKey(digest string) []byte     { return p.key("b", digest) }

// errAbsent: there is no such record.
var errAbsent = kv.ErrNotFound

func decodeRepository(raw []byte) (*repository, error) {
	r, err := decode[repository](raw, nil)
	if err != nil || r.Policy == "" {
		return r, err
	}
	compiled, err := policy.Parse([]byte(r.Policy), policy.ResourceImplied)
	if err != nil {
		return nil, err // it was checked when it was stored
	}
	r.compiled = compiled.Named("repository policy of " + r.Name)
	return r, nil
}

// repository gives a repository, or errAbsent. It is the caller's own.
func (s *store) repository(ctx context.Context, p place, name string) (*repository, error) {
	shared, err := s.decoded.Get(ctx, s.db, repositoryKey{p, name})
	if err != nil {
		return nil, err
	}
	r := *shared
	r.at = p
	return &r, nil
}

// create stores a repository, unless there is one of its name.
func (s *store) create(ctx context.Context, r *repository) (created bool, err error) {
	at := r.at.repositoryKey(r.Name)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(at)
		if created = errors.Is(err, errAbsent); !created {
			return err
		}
		return tx.Put(at, encode(r))
	}, at)
	return created, err
}

// change rewrites a repository.
func (s *store) change(ctx context.Context, r *repository, change func(*kv.Tx, *repository) error) error {
	at := r.at.repositoryKey(r.Name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		now, err := s.same(tx, r)
		if err != nil {
			return err
		}
		if err := change(tx, now); err != nil {
			return err
		}
		return tx.Put(at, encode(now))
	}, at)
}

// same reads a repository again, and fails where it is not the same any more.
func (s *store) same(tx *kv.Tx, r *repository) (*repository, error) {
	now, err := read[repository](tx, r.at.repositoryKey(r.Name))
	if errors.Is(err, errAbsent) || (err == nil && now.ID != r.ID) {
		return nil, noRepository(r.at, r.Name)
	}
	if err == nil {
		now.at = r.at
	}
	return now, err
}

// remove deletes a repository. What it held is garbage then; without force it
// must hold no image.
func (s *store) remove(ctx context.Context, r *repository, force bool) (removed bool, err error) {
	at := r.at.repositoryKey(r.Name)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.same(tx, r); err != nil {
			return err
		}
		images := kv.Prefix(r.at.key("i", r.ID))
		images.Limit = 1
		items, err := tx.Scan(images)
		if err != nil {
			return err
		}
		if removed = force || len(items) == 0; !removed {
			return nil
		}
		return tx.Delete(at)
	}, at)
	return removed, err
}

// repositories reads a page after a name, one more than limit to tell whether
// there are more.
func (s *store) repositories(ctx context.Context, p place, after string, limit int) ([]repository, error) {
	list, err := page[repository](ctx, s.db, p.key("r"), after, limit)
	for i := range list {
		list[i].at = p
	}
	return list, err
}

func (s *store) image(ctx context.Context, r *repository, digest string) (*image, error) {
	return decode[image](s.db.Get(ctx, r.imageKey(digest)))
}

// tagged is the digest that a tag names.
func (s *store) tagged(ctx context.Context, r *repository, tag string) (string, error) {
	digest, err := decode[string](s.db.Get(ctx, r.tagKey(tag)))
	if err != nil {
		return "", err
	}
	return *digest, nil
}

func (s *store) images(ctx context.Context, r *repository, after string, limit int) ([]image, error) {
	return page[image](ctx, s.db, r.at.key("i", r.ID), after, limit)
}

func (s *store) layer(ctx context.Context, r *repository, digest string) (*layer, error) {
	return decode[layer](s.db.Get(ctx, r.layerKey(digest)))
}

func (s *store) content(ctx context.Context, p place, digest string) (*content, error) {
	return decode[content](s.db.Get(ctx, p.contentKey(digest)))
}

func (s *store) upload(ctx context.Context, r *repository, id string) (*upload, error) {
	return decode[upload](s.db.Get(ctx, r.uploadKey(id)))
}

func (s *store) putUpload(ctx context.Context, r *repository, u *upload) error {
	return s.db.Put(ctx, r.uploadKey(u.ID), encode(u))
}

// blobs calls visit with the ids of all blobs that are named.
func (s *store) blobs(ctx context.Context, visit func(blob.Ref)) error {
	return s.each(ctx, func(_ place, kind string, _ []string, value []byte) error {
		if kind != "b" && kind != "u" {
			return nil
		}
		v, err := decode[struct{ Parts []blob.Ref }](value, nil)
		if err != nil {
			return err
		}
		for _, ref := range v.Parts {
			visit(ref)
		}
		return nil
	})
}

// garbage is what nothing names any more.
type garbage struct{ repositories, layers, uploads []leftover }

// leftover is a record of a repository; its name and use where it has them.
type leftover struct {
	place
	repository, name string
	used             time.Time
}

// garbage finds, as of one moment, repositories that are gone and have left
// something, layers without an image that were not used since, and uploads that
// began before it.
func (s *store) garbage(ctx context.Context, since time.Time) (*garbage, error) {
	living, held := map[string]bool{}, map[string]bool{}
	seen := map[string]leftover{}
	var layers, uploads []leftover
	err := s.each(ctx, func(p place, kind string, rest []string, value []byte) error {
		switch kind {
		case "r":
			r, err := decode[repository](value, nil)
			if err != nil {
				return err
			}
			living[r.ID] = true
		case "i":
			seen[rest[0]] = leftover{place: p, repository: rest[0]}
			i, err := decode[image](value, nil)
			if err != nil {
				return err
			}
			for _, digest := range i.Layers {
				held[rest[0]+digest] = true
			}
		case "l":
			l, err := decode[layer](value, nil)
			if err != nil {
				return err
			}
			layers = append(layers, leftover{p, rest[0], rest[1], l.Used})
		case "u":
			u, err := decode[upload](value, nil)
			if err != nil {
				return err
			}
			uploads = append(uploads, leftover{p, rest[0], rest[1], u.Created})
		}
		return nil
	})
	out := &garbage{}
	for id, l := range seen {
		if !living[id] {
			out.repositories = append(out.repositories, l)
		}
	}
	for _, l := range layers {
		if !living[l.repository] || (l.used.Before(since) && !held[l.repository+l.name]) {
			out.layers = append(out.layers, l)
		}
	}
	for _, u := range uploads {
		if !living[u.repository] || u.used.Before(since) {
			out.uploads = append(out.uploads, u)
		}
	}
	return out, err
}

// dropImages removes the images and tags of a repository that is gone.
func (s *store) dropImages(ctx context.Context, p place, repositoryID string) error {
	var b kv.Batch
	for _, kind := range []string{"i", "t"} {
		r := kv.Prefix(p.key(kind, repositoryID))
		b.DeleteRange(r.Start, r.End)
	}
	return s.db.Apply(ctx, &b)
}

// everyRepository lists the repositories of all places.
func (s *store) everyRepository(ctx context.Context) ([]repository, error) {
	var out []repository
	err := s.each(ctx, func(p place, kind string, _ []string, value []byte) error {
		if kind != "r" {
			return nil
		}
		r, err := decode[repository](value, nil)
		if err == nil {
			r.at = p
			out = append(out, *r)
		}
		return err
	})
	return out, err
}

// each walks all records: their place, kind, the rest of their key, their value.
func (s *store) each(ctx context.Context, visit func(p place, kind string, rest []string, value []byte) error) error {
	return s.db.Each(ctx, kv.Range{}, func(it kv.Item) (bool, error) {
		var parts []string
		for key := it.Key; len(key) > 0; {
			part, left, err := tuple.DecodeString(key)
			if err != nil {
				return false, err
			}
			parts, key = append(parts, part), left
		}
		if len(parts) < 4 {
			return false, errors.New("ecr: a key of fewer than four parts")
		}
		return true, visit(place{parts[0], parts[1]}, parts[2], parts[3:], it.Value)
	})
}

func page[T any](ctx context.Context, db *kv.DB, base []byte, after string, limit int) ([]T, error) {
	r := kv.Prefix(base)
	if after != "" {
		r.Start = append(tuple.AppendString(slices.Clone(base), after), 0)
	}
	if limit > 0 {
		r.Limit = limit + 1
	}
	out := []T{}
	err := db.Each(ctx, r, func(it kv.Item) (bool, error) {
		v, err := decode[T](it.Value, nil)
		if err != nil {
			return false, err
		}
		out = append(out, *v)
		return limit == 0 || len(out) <= limit, nil
	})
	return out, err
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
