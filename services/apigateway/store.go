package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

// The kinds of things an API consists of.
const (
	kindAPI        = "a"
	kindResource   = "r"
	kindModel      = "m"
	kindValidator  = "v"
	kindAuthorizer = "z"
	kindResponse   = "g"
	kindDeployment = "d"
	kindSnapshot   = "p"
	kindStage      = "s"
)

var kinds = [...]string{kindAPI, kindResource, kindModel, kindValidator, kindAuthorizer, kindResponse, kindDeployment, kindSnapshot, kindStage}

// snapshotPartBytes is the size of the parts that snapshots are stored in.
const snapshotPartBytes = 1 << 20

// store is the only place that knows keys and encodings.
type store struct{ db *kv.DB }

// place is the account and region that keys begin with.
type place struct{ Account, Region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

func (p place) key(kind string, parts ...any) []byte {
	return tuple.Append(tuple.Key(p.Account, p.Region, kind), parts...)
}

// homeKey finds an API's place by its id alone.
func homeKey(id string) []byte { return tuple.Key("api", id) }

// apiTx is a transaction on one API.
type apiTx struct {
	tx *kv.Tx
	p  place
	id string
}

// edit runs fn in a transaction on an API that exists. Reads use it as well:
// what they show is then of one moment.
func (s store) edit(ctx context.Context, p place, id *string, fn func(t *apiTx) error) error {
	key := p.key(kindAPI, val(id))
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return errNoAPI(p, val(id))
		}
		if err != nil {
			return err
		}
		return fn(&apiTx{tx: tx, p: p, id: *id})
	}, key)
}

// load reads one thing of the API, or nil.
func load[T any](t *apiTx, kind, id string) (*T, error) {
	v, err := t.tx.Get(t.key(kind, id))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := new(T)
	return out, json.Unmarshal(v, out)
}

func (t *apiTx) key(kind, id string) []byte {
	if kind == kindAPI {
		return t.p.key(kindAPI, t.id)
	}
	return t.p.key(kind, t.id, id)
}

func (t *apiTx) save(kind, id string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.tx.Put(t.key(kind, id), b)
}

func (t *apiTx) remove(kind, id string) error { return t.tx.Delete(t.key(kind, id)) }

// all reads everything of a kind, in the order of ids.
func all[T any](t *apiTx, kind string) ([]T, error) {
	r := kv.Prefix(t.p.key(kind, t.id))
	var out []T
	for {
		items, err := t.tx.Scan(r)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			var v T
			if err := json.Unmarshal(it.Value, &v); err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		if !r.More(items) {
			return out, nil
		}
		r = r.After(items[len(items)-1].Key)
	}
}

// createAPI stores a new API with its root resource and default models.
func (s store) createAPI(ctx context.Context, p place, a api.RestApi, root api.Resource, models []api.Model) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		home, err := json.Marshal(p)
		if err != nil {
			return err
		}
		t := &apiTx{tx: tx, p: p, id: *a.Id}
		if err := tx.Put(homeKey(t.id), home); err != nil {
			return err
		}
		for _, m := range models {
			if err := t.save(kindModel, *m.Name, m); err != nil {
				return err
			}
		}
		if err := t.save(kindResource, *root.Id, root); err != nil {
			return err
		}
		return t.save(kindAPI, "", a)
	})
}

// deleteAPI removes an API with everything in it.
func (s store) deleteAPI(ctx context.Context, p place, id *string) error {
	return s.edit(ctx, p, id, func(t *apiTx) error {
		for _, kind := range kinds {
			r := kv.Prefix(p.key(kind, t.id))
			if err := t.tx.DeleteRange(r.Start, r.End); err != nil {
				return err
			}
		}
		return t.tx.Delete(homeKey(t.id))
	})
}

// apis lists a region's APIs with ids after one.
func (s store) apis(ctx context.Context, p place, after string, limit int) ([]api.RestApi, error) {
	r := kv.Prefix(p.key(kindAPI))
	if after != "" {
		r.Start = append(p.key(kindAPI, after), 0)
	}
	var out []api.RestApi
	err := s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var a api.RestApi
		if err := json.Unmarshal(it.Value, &a); err != nil {
			return false, err
		}
		out = append(out, a)
		return len(out) < limit, nil
	})
	return out, err
}

// snapshot collects all that a deployment freezes.
func (t *apiTx) snapshot() (*pipeline.Snapshot, error) {
	out := pipeline.Snapshot{Account: t.p.Account, Region: t.p.Region}
	a, err := load[api.RestApi](t, kindAPI, "")
	if err != nil {
		return nil, err
	}
	out.API = *a
	if out.Resources, err = all[api.Resource](t, kindResource); err != nil {
		return nil, err
	}
	if out.Models, err = all[api.Model](t, kindModel); err != nil {
		return nil, err
	}
	if out.Validators, err = all[api.RequestValidator](t, kindValidator); err != nil {
		return nil, err
	}
	if out.Authorizers, err = all[api.Authorizer](t, kindAuthorizer); err != nil {
		return nil, err
	}
	out.Responses, err = all[api.GatewayResponse](t, kindResponse)
	return &out, err
}

func (t *apiTx) saveSnapshot(deployment string, s *pipeline.Snapshot) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	for n := 0; len(b) > 0; n++ {
		part := b[:min(len(b), snapshotPartBytes)]
		b = b[len(part):]
		if err := t.tx.Put(t.p.key(kindSnapshot, t.id, deployment, n), part); err != nil {
			return err
		}
	}
	return nil
}

func (t *apiTx) removeSnapshot(deployment string) error {
	r := kv.Prefix(t.p.key(kindSnapshot, t.id, deployment))
	return t.tx.DeleteRange(r.Start, r.End)
}

// loadSnapshot reads a deployment's snapshot, which never changes (A2).
func (s store) loadSnapshot(ctx context.Context, p place, id, deployment string) (*pipeline.Snapshot, error) {
	var b bytes.Buffer
	err := s.db.Each(ctx, kv.Prefix(p.key(kindSnapshot, id, deployment)), func(it kv.Item) (bool, error) {
		b.Write(it.Value)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if b.Len() == 0 {
		return nil, kv.ErrNotFound
	}
	out := new(pipeline.Snapshot)
	return out, json.Unmarshal(b.Bytes(), out)
}

// stage finds a stage of an API whose place is not known; nil when there is none.
func (s store) stage(ctx context.Context, id, name string) (place, *api.Stage, error) {
	var p place
	v, err := s.db.Get(ctx, homeKey(id))
	if errors.Is(err, kv.ErrNotFound) {
		return p, nil, nil
	}
	if err != nil {
		return p, nil, err
	}
	if err := json.Unmarshal(v, &p); err != nil {
		return p, nil, err
	}
	v, err = s.db.Get(ctx, p.key(kindStage, id, name))
	if errors.Is(err, kv.ErrNotFound) {
		return p, nil, nil
	}
	if err != nil {
		return p, nil, err
	}
	st := new(api.Stage)
	return p, st, json.Unmarshal(v, st)
}
