package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/s3/access"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/lifecycle"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/tagging"
)

// Versioning states; the empty one has never been enabled.
const (
	VersioningEnabled   = "Enabled"
	VersioningSuspended = "Suspended"
)

// OwnerEnforced is the ownership of new buckets: access control lists are off.
const OwnerEnforced = grant.Enforced

// Bucket is one bucket and its configuration. What store hands out is shared
// and must not be changed; mutate works on a copy.
type Bucket struct {
	Name       string
	ID         string
	Account    string
	Region     string
	Created    time.Time
	Versioning string        `json:",omitempty"`
	Ownership  string        `json:",omitempty"`
	Policy     string        `json:",omitempty"`
	ACL        grant.List    `json:",omitzero"` // nil: the owner's own
	Public     *PublicAccess `json:",omitempty"`
	// RequesterPays: callers of other accounts must say that they pay.
	RequesterPays bool `json:",omitempty"`
	// AccelerationSuspended: somebody has set that, which is told again.
	AccelerationSuspended bool `json:",omitempty"`
	// AccountPublic is the account's public access block, which is written
	// into all of its buckets.
	AccountPublic *PublicAccess                  `json:",omitempty"`
	CORS          []api.CORSRule                 `json:",omitempty"`
	Website       *api.WebsiteConfiguration      `json:",omitempty"`
	Notify        *api.NotificationConfiguration `json:",omitempty"`
	Tags          []tagging.Tag                  `json:",omitempty"`
	Encryption    *api.ServerSideEncryptionRule  `json:",omitempty"`
	Lifecycle     *lifecycle.Configuration       `json:",omitempty"`
	// Lock is there where Object Lock is on.
	Lock    *lock.Configuration                   `json:",omitempty"`
	Tiering []api.IntelligentTieringConfiguration `json:",omitempty"`

	Replication *api.ReplicationConfiguration `json:",omitempty"`
	Logging     *api.LoggingEnabled           `json:",omitempty"`

	Inventories []api.InventoryConfiguration `json:",omitempty"`

	// Points counts the access points of the bucket.
	Points int `json:",omitempty"`

	Compiled *policy.Policy `json:"-"` // of Policy; nil where there is none
	IsPublic bool           `json:"-"` // Policy grants to everyone

	grants, grantsNamed *policy.Policy // of ACL; without its public grants
}

// PublicAccess is the public access block.
type PublicAccess struct {
	BlockACLs, IgnoreACLs, BlockPolicy, Restrict bool
}

// Bucket returns a bucket, or the NoSuchBucket fault.
func (s *Store) Bucket(ctx context.Context, name string) (*Bucket, error) {
	b, err := s.buckets.Get(ctx, s.kv, name)
	return b, noBucket(name, err)
}

func (s *Store) bucketIn(tx *kv.Tx, name string) (*Bucket, error) {
	b, err := s.buckets.In(tx, name)
	return b, noBucket(name, err)
}

// noBucket gives the fault for a bucket that was not found.
func noBucket(name string, err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return s3err.NoSuchBucket(name)
	}
	return err
}

// again loads the bucket that b was, inside a transaction.
func (s *Store) again(tx *kv.Tx, b *Bucket) (*Bucket, error) {
	now, err := s.bucketIn(tx, b.Name)
	if err != nil {
		return nil, err
	}
	if now.ID != b.ID {
		return nil, s3err.NoSuchBucket(b.Name)
	}
	return now, nil
}

// decodedMax is how many buckets, and how many access points, are kept decoded:
// their policies compiled.
const decodedMax = 1024

func decodeBucket(raw []byte) (*Bucket, error) {
	b := new(Bucket)
	if err := json.Unmarshal(raw, b); err != nil {
		return nil, fmt.Errorf("s3: bucket record: %w", err)
	}
	if err := b.compile(); err != nil {
		return nil, fmt.Errorf("s3: access control list of bucket %s: %w", b.Name, err)
	}
	if b.Policy == "" {
		return b, nil
	}
	p, err := policy.Parse([]byte(b.Policy), policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("s3: policy of bucket %s: %w", b.Name, err)
	}
	b.Compiled = p.Named(b.Name)
	b.IsPublic = access.IsPublic([]byte(b.Policy))
	return b, nil
}

// CreateBucket stores a new bucket; taken is the one that has the name.
func (s *Store) CreateBucket(ctx context.Context, b *Bucket) (taken *Bucket, err error) {
	err = s.kv.Update(ctx, func(tx *kv.Tx) error {
		taken = nil
		raw, err := tx.Get(keyBucket(b.Name))
		if err == nil {
			taken, err = decodeBucket(raw)
			return err
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := tx.Put(keyOwned(b.Account, b.Name), nil); err != nil {
			return err
		}
		if b.AccountPublic, err = accountBlockIn(tx, b.Account); err != nil {
			return err
		}
		return putJSON(tx, keyBucket(b.Name), b)
	}, keyBucket(b.Name), keyAccount(b.Account))
	return taken, err
}

// ChangeBucket lets change edit a copy of the bucket and stores it.
func (s *Store) ChangeBucket(ctx context.Context, name string, change func(b *Bucket) error) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		now, err := s.bucketIn(tx, name)
		if err != nil {
			return err
		}
		b := *now
		if err := change(&b); err != nil {
			return err
		}
		return putJSON(tx, keyBucket(name), &b)
	}, keyBucket(name))
}

// DeleteBucket deletes an empty bucket and its uploads; notEmpty is returned if
// it is not (B5). The blobs of uploads' parts become garbage.
func (s *Store) DeleteBucket(ctx context.Context, name string, notEmpty error) error {
	for {
		more, err := s.deleteSomeUploads(ctx, name)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		b, err := s.bucketIn(tx, name)
		if err != nil {
			return err
		}
		items, err := tx.Scan(kv.Range{Start: tuple.Key("o", b.ID), End: kv.Prefix(tuple.Key("o", b.ID)).End, Limit: 1})
		if err != nil {
			return err
		}
		if len(items) > 0 {
			return notEmpty
		}
		if b.Points > 0 {
			return s3err.HasAccessPoints()
		}
		if err := tx.Delete(keyOwned(b.Account, name)); err != nil {
			return err
		}
		r := kv.Prefix(tuple.Key("u", b.ID))
		if err := tx.DeleteRange(r.Start, r.End); err != nil {
			return err
		}
		if err := tx.Delete(keyWalk(b)); err != nil {
			return err
		}
		if err := dropInventories(tx, b); err != nil {
			return err
		}
		return tx.Delete(keyBucket(name))
	}, keyBucket(name))
}

// deleteSomeUploads ends one upload of a bucket that is empty otherwise.
func (s *Store) deleteSomeUploads(ctx context.Context, name string) (more bool, err error) {
	b, err := s.Bucket(ctx, name)
	if err != nil {
		return false, err
	}
	r := kv.Prefix(tuple.Key("o", b.ID))
	r.Limit = 1
	items, err := s.kv.Scan(ctx, r)
	if err != nil || len(items) > 0 {
		return false, err
	}
	if b.Points > 0 {
		return false, s3err.HasAccessPoints()
	}
	r = kv.Prefix(tuple.Key("u", b.ID))
	r.Limit = 1
	items, err = s.kv.Scan(ctx, r)
	if err != nil || len(items) == 0 {
		return false, err
	}
	u, err := decodeUpload(items[0])
	if err != nil {
		return false, err
	}
	err = s.EndUpload(ctx, b, u.Key, u.ID)
	return true, err
}

// Owned calls fn with the account's buckets by name, from after on.
func (s *Store) Owned(ctx context.Context, account, prefix, after string, fn func(b *Bucket) (bool, error)) error {
	r := kv.Prefix(tuple.AppendStringPrefix(tuple.Key("a", account), prefix))
	if after != "" {
		if start := r.After(keyOwned(account, after)).Start; bytes.Compare(start, r.Start) > 0 {
			r.Start = start
		}
	}
	return s.kv.Each(ctx, r, func(it kv.Item) (bool, error) {
		name, err := lastString(it.Key, 2)
		if err != nil {
			return false, err
		}
		b, err := s.Bucket(ctx, name)
		if IsNoSuchBucket(err) {
			return true, nil // deleted meanwhile
		}
		if err != nil {
			return false, err
		}
		return fn(b)
	})
}

// IsNoSuchBucket reports the fault that bucket returns.
func IsNoSuchBucket(err error) bool { return fault.Is(err, "NoSuchBucket") }
