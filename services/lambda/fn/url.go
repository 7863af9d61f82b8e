package fn

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// URL is a function's address in the web, of the function itself or of one of
// its aliases.
type URL struct {
	ID         string    `json:"id"` // the first label of its host name
	AuthType   string    `json:"authType"`
	InvokeMode string    `json:"invokeMode"`
	Cors       *api.Cors `json:"cors,omitempty"`
	Created    time.Time `json:"created"`
	Modified   time.Time `json:"modified"`
}

// URLKey is the key of a URL.
func (p Place) URLKey(name, qualifier string) []byte {
	return tuple.Key(p.Account, p.Region, "u", name, qualifier)
}

// urlIDKey is where a URL's function is found by its id.
func urlIDKey(id string) []byte { return tuple.Key("url", id) }

// URL loads the URL of what r names.
func (s Store) URL(ctx context.Context, r Ref) (URL, bool, error) {
	return Read[URL](s.Reader(ctx), r.URLKey(r.Name, r.Qualifier))
}

// URLByID finds what the id of a URL stands for; false where it is none.
func (s Store) URLByID(ctx context.Context, id string) (Ref, URL, bool, error) {
	r, ok, err := Read[Ref](s.Reader(ctx), urlIDKey(id))
	if err != nil || !ok {
		return r, URL{}, false, err
	}
	u, ok, err := s.URL(ctx, r)
	return r, u, ok && u.ID == id, err
}

// ChangeURL runs change on the URL of what r names, which must exist. change
// returns what to store, nil to delete.
func (s Store) ChangeURL(ctx context.Context, r Ref, change func(u URL, ok bool) (*URL, error)) error {
	key := r.URLKey(r.Name, r.Qualifier)
	return s.DB.Update(ctx, func(tx *kv.Tx) error {
		if _, err := LoadFunction(tx.Get, r.Unqualified()); err != nil {
			return err
		}
		if ok, err := Exists(tx.Get, r); err != nil || !ok {
			return orNotFound(err, r)
		}
		old, ok, err := Read[URL](tx.Get, key)
		if err != nil {
			return err
		}
		u, err := change(old, ok)
		if err != nil {
			return err
		}
		if u == nil {
			return errors.Join(tx.Delete(urlIDKey(old.ID)), tx.Delete(key))
		}
		return errors.Join(Write(tx, urlIDKey(u.ID), r), Write(tx, key, u))
	}, r.FunctionKey(r.Name), r.AliasKey(r.Name, r.Qualifier), key)
}

func orNotFound(err error, r Ref) error {
	if err != nil {
		return err
	}
	return NotFound(r.ARN())
}

// URLs lists a function's URLs after the qualifier in marker.
func (s Store) URLs(ctx context.Context, r Ref, marker *string, limit int) ([]Qualified[URL], bool, error) {
	return qualified[URL](ctx, s, r, "u", marker, limit)
}

// DropURL removes the URL of what r names, if it has one.
func DropURL(tx *kv.Tx, r Ref) error {
	key := r.URLKey(r.Name, r.Qualifier)
	u, ok, err := Read[URL](tx.Get, key)
	if err != nil || !ok {
		return err
	}
	return errors.Join(tx.Delete(urlIDKey(u.ID)), tx.Delete(key))
}

// dropURLs removes all URLs of a function.
func dropURLs(tx *kv.Tx, r Ref) error {
	all := kv.Prefix(tuple.Key(r.Account, r.Region, "u", r.Name))
	for {
		items, err := tx.Scan(all)
		if err != nil {
			return err
		}
		for _, it := range items {
			var u URL
			if err := json.Unmarshal(it.Value, &u); err != nil {
				return err
			}
			if err := errors.Join(tx.Delete(urlIDKey(u.ID)), tx.Delete(it.Key)); err != nil {
				return err
			}
		}
		if !all.More(items) {
			return nil
		}
		all = all.After(items[len(items)-1].Key)
	}
}
