package layers

import (
	"context"
	"encoding/json"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// change runs decide on the policy of a version that is there, and stores what
// is left of it.
func (l *Layers) change(ctx context.Context, r fn.LayerRef, revision *string, decide func(p *fn.ResourcePolicy, ok bool) error) (*fn.ResourcePolicy, error) {
	var p fn.ResourcePolicy
	err := l.store.DB.Update(ctx, func(tx *kv.Tx) error {
		if err := l.mustExist(tx.Get, r); err != nil {
			return err
		}
		var ok bool
		var err error
		if p, ok, err = fn.Read[fn.ResourcePolicy](tx.Get, r.PolicyKey()); err != nil {
			return err
		}
		if smithy.Val(revision) != "" && *revision != p.Revision {
			return api.ErrPreconditionFailedException("The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id")
		}
		if err := decide(&p, ok); err != nil {
			return err
		}
		if len(p.Statements) == 0 {
			return tx.Delete(r.PolicyKey())
		}
		p.Revision = l.ids.UUID()
		return fn.Write(tx, r.PolicyKey(), p)
	}, r.PolicyKey())
	return &p, err
}

// mustExist tells a layer that was never there from a version that is not.
func (l *Layers) mustExist(get fn.Getter, r fn.LayerRef) error {
	_, ok, err := fn.Read[version](get, r.VersionKey())
	if err != nil || ok {
		return err
	}
	layer := fn.LayerRef{Place: r.Place, Name: r.Name}
	if _, ok, err := fn.Read[counter](get, layer.Key()); err != nil || !ok {
		if err == nil {
			err = fn.NoResource("Layer %s does not exist.", layer.ARN())
		}
		return err
	}
	return fn.NoResource("Layer version %s does not exist.", r.ARN())
}

// AddPermission adds a statement to a version's policy.
func (l *Layers) AddPermission(ctx context.Context, c *service.Call, in *api.AddLayerVersionPermissionInput) (*api.AddLayerVersionPermissionOutput, error) {
	r, err := refOf(c, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	st, err := fn.LayerStatement(r, in)
	if err != nil {
		return nil, err
	}
	p, err := l.change(ctx, r, in.RevisionId, func(p *fn.ResourcePolicy, _ bool) error { return p.Add(st) })
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st)
	return &api.AddLayerVersionPermissionOutput{Statement: new(string(text)), RevisionId: &p.Revision}, err
}

// RemovePermission takes a statement out of a version's policy.
func (l *Layers) RemovePermission(ctx context.Context, c *service.Call, in *api.RemoveLayerVersionPermissionInput) (*api.RemoveLayerVersionPermissionOutput, error) {
	r, err := refOf(c, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	_, err = l.change(ctx, r, in.RevisionId, func(p *fn.ResourcePolicy, ok bool) error {
		if !ok {
			return noPolicy()
		}
		return p.Remove(*in.StatementId)
	})
	return nil, err
}

func noPolicy() error { return fn.NoResource("No policy is associated with the given resource.") }

// GetPolicy shows a version's policy.
func (l *Layers) GetPolicy(ctx context.Context, c *service.Call, in *api.GetLayerVersionPolicyInput) (*api.GetLayerVersionPolicyOutput, error) {
	r, err := refOf(c, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	if err := l.mustExist(l.store.Reader(ctx), r); err != nil {
		return nil, err
	}
	p, ok, err := fn.Read[fn.ResourcePolicy](l.store.Reader(ctx), r.PolicyKey())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noPolicy()
	}
	doc, err := p.Document()
	return &api.GetLayerVersionPolicyOutput{Policy: new(string(doc)), RevisionId: &p.Revision}, err
}
