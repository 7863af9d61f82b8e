package kms

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// A multi-region key is one record in each of its regions. All of them have the
// same id, material and rotation, and know the primary's region and all regions;
// policy, state, tags and aliases are each record's own. What they share is
// written in one transaction.

// multi reports whether the key is one of several regions' keys, or may be.
func (k *key) multi() bool { return k.Primary != "" }

// replica reports whether another region's key is the primary.
func (k *key) replica() bool { return k.multi() && k.Primary != k.Region }

// primaryOnly refuses what is done with the primary key for all.
func (k *key) primaryOnly() error {
	if k.replica() {
		return api.ErrUnsupportedOperationException("%s is a multi-Region replica key: the operation is for its primary key.", k.arn())
	}
	return nil
}

// configuration is the API's form of the regions; nil of other keys.
func (k *key) configuration() *api.MultiRegionConfiguration {
	if !k.multi() {
		return nil
	}
	in := func(region string) api.MultiRegionKey {
		return api.MultiRegionKey{Arn: new(keyARN(k.Account, region, k.ID)), Region: new(region)}
	}
	out := &api.MultiRegionConfiguration{
		MultiRegionKeyType: new(api.MultiRegionKeyTypePrimary), PrimaryKey: new(in(k.Primary)), ReplicaKeys: []api.MultiRegionKey{},
	}
	if k.replica() {
		out.MultiRegionKeyType = new(api.MultiRegionKeyTypeReplica)
	}
	for _, r := range k.Regions {
		if r != k.Primary {
			out.ReplicaKeys = append(out.ReplicaKeys, in(r))
		}
	}
	return out
}

// family is the records of one multi-region key, by region.
type family map[string]*key

// share copies what all have in common from one to the others.
func (f family) share(from *key) {
	for _, k := range f {
		k.Primary, k.Regions = from.Primary, from.Regions
		k.Period, k.Rotate, k.Materials = from.Period, from.Rotate, from.Materials
	}
}

// changeShared changes what a key shares with its replicas; a single-region key
// is changed alone.
func (s *Service) changeShared(ctx context.Context, c *service.Call, id string, change func(*key) error) (*key, error) {
	k, err := s.find(ctx, c, id, false)
	if err != nil {
		return nil, err
	}
	if !k.multi() {
		return s.change(ctx, c, id, change)
	}
	if err := k.primaryOnly(); err != nil {
		return nil, err
	}
	var changed *key
	return changed, s.changeFamily(ctx, k.key, func(f family) error {
		changed = f[k.Region]
		if err := change(changed); err != nil {
			return err
		}
		f.share(changed)
		return nil
	})
}

func (s *Service) changeFamily(ctx context.Context, k *key, change func(family) error) error {
	err := s.store.changeFamily(ctx, k, change)
	if errors.Is(err, errAbsent) {
		return noKey(k.arn())
	}
	return err
}

func (s *Service) replicateKey(ctx context.Context, c *service.Call, in *api.ReplicateKeyInput) (*api.ReplicateKeyOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if !k.multi() || k.replica() {
		return nil, api.ErrUnsupportedOperationException("%s is not a multi-Region primary key.", k.arn())
	}
	if err := k.enabled(); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	doc := smithy.Val(in.Policy)
	if doc == "" {
		doc = defaultPolicy(k.Account, *in.ReplicaRegion)
	}
	r := &key{
		ID: k.ID, Account: k.Account, Region: *in.ReplicaRegion, Spec: k.Spec, Usage: k.Usage, State: api.KeyStateEnabled,
		Created: c.Now.UTC(), Description: smithy.Val(in.Description), Tags: tags, Policy: doc, Primary: k.Region,
	}
	if err := s.admitPolicy(ctx, c, r, doc, smithy.Val(in.BypassPolicyLockoutSafetyCheck) || in.Policy == nil); err != nil {
		return nil, err
	}
	err = s.changeFamily(ctx, k.key, func(f family) error {
		if f[r.Region] != nil {
			return api.ErrAlreadyExistsException("Key '%s' already exists", r.arn())
		}
		primary := f[k.Region]
		if err := primary.enabled(); err != nil {
			return err
		}
		primary.Regions = append(slices.Clone(primary.Regions), r.Region)
		slices.Sort(primary.Regions)
		f[r.Region] = r
		f.share(primary)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ReplicateKeyOutput{ReplicaKeyMetadata: r.metadata(), ReplicaPolicy: &doc, ReplicaTags: in.Tags}, nil
}

func (s *Service) updatePrimaryRegion(ctx context.Context, c *service.Call, in *api.UpdatePrimaryRegionInput) (*api.UpdatePrimaryRegionOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if !k.multi() || k.replica() {
		return nil, api.ErrUnsupportedOperationException("%s is not a multi-Region primary key.", k.arn())
	}
	return nil, s.changeFamily(ctx, k.key, func(f family) error {
		primary, next := f[k.Region], f[*in.PrimaryRegion]
		if next == nil {
			return noKey(keyARN(k.Account, *in.PrimaryRegion, k.ID))
		}
		for _, k := range []*key{primary, next} {
			if err := k.notPending(); err != nil {
				return err
			}
		}
		primary.Primary = next.Region
		f.share(primary)
		return nil
	})
}

// leave takes a region out of a family whose record there is deleted. A primary
// that waited for its replicas begins to wait for its own deletion.
func (f family) leave(gone *key, now time.Time) {
	delete(f, gone.Region)
	for _, k := range f {
		k.Regions = slices.DeleteFunc(slices.Clone(k.Regions), func(r string) bool { return r == gone.Region })
		if k.State == api.KeyStatePendingReplicaDeletion && len(k.Regions) == 1 {
			k.State, k.Deleted = api.KeyStatePendingDeletion, now.Add(time.Duration(k.Window)*day)
		}
	}
}

// newID makes a key's id: multi-region keys have one of their own form.
func (s *Service) newID(multi bool) string {
	id := s.deps.Ident.UUID()
	if multi {
		return mrkPrefix + strings.ReplaceAll(id, "-", "")
	}
	return id
}

// replicaChecks asks for the replication of a key and for the making of another
// in the replica's region.
func (s *Service) replicaChecks(ctx context.Context, c *service.Call, in *api.ReplicateKeyInput) ([]service.Check, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	check, err := s.check(ctx, c, k, question{action: "ReplicateKey", keys: policy.Keys{"kms:replicaregion": {*in.ReplicaRegion}}})
	if err != nil {
		return nil, err
	}
	there := s.creation(c, &api.CreateKeyInput{
		KeySpec: &k.Spec, KeyUsage: &k.Usage, MultiRegion: new(true), Tags: in.Tags, BypassPolicyLockoutSafetyCheck: in.BypassPolicyLockoutSafetyCheck,
	})
	there[0].Context["kms:multiregionkeytype"] = []string{api.MultiRegionKeyTypeReplica}
	if len(there) > 1 {
		there[1].Resource = keyARN(k.Account, *in.ReplicaRegion, "*")
	}
	return append([]service.Check{check}, there...), nil
}

// primaryChecks asks for the change of both keys.
func (s *Service) primaryChecks(ctx context.Context, c *service.Call, in *api.UpdatePrimaryRegionInput) ([]service.Check, error) {
	q := question{action: "UpdatePrimaryRegion", keys: policy.Keys{"kms:primaryregion": {*in.PrimaryRegion}}}
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	next, err := s.load(ctx, c, place{k.Account, *in.PrimaryRegion}, k.ID)
	if err != nil {
		return nil, err
	}
	here, err := s.check(ctx, c, k, q)
	if err != nil {
		return nil, err
	}
	there, err := s.check(ctx, c, named{key: next}, q)
	return []service.Check{here, there}, err
}
