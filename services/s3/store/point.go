package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/s3/access"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
)

// AccessPoint is one access point. What store hands out is shared and must not
// be changed.
type AccessPoint struct {
	naming.Point
	Alias  string
	Bucket string
	BID    string // of the bucket, in the life that the access point was made for
	// Foreign: another account's than the bucket's, which neither sees it nor is
	// kept from deleting the bucket by it.
	Foreign bool   `json:",omitempty"`
	Owner   string // the bucket's account
	Created time.Time
	Public  PublicAccess
	// AccountPublic is the account's public access block.
	AccountPublic *PublicAccess     `json:",omitempty"`
	Policy        string            `json:",omitempty"`
	Tags          map[string]string `json:",omitempty"`

	Compiled *policy.Policy `json:"-"` // of Policy; nil where there is none
	IsPublic bool           `json:"-"` // Policy grants to everyone
}

// Block is the public access block in force for the access point.
func (p *AccessPoint) Block() PublicAccess { return p.Public.and(p.AccountPublic) }

func keyPoint(p naming.Point) []byte     { return tuple.Key("ap", p.Account, p.Region, p.Name) }
func keyAlias(alias string) []byte       { return tuple.Key("al", alias) }
func keyAccount(account string) []byte   { return tuple.Key("ac", account) }
func keyPoints(account, r string) []byte { return tuple.Key("ap", account, r) }

func decodePoint(raw []byte) (*AccessPoint, error) {
	p := new(AccessPoint)
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fmt.Errorf("s3: access point record: %w", err)
	}
	if p.Policy == "" {
		return p, nil
	}
	compiled, err := policy.Parse([]byte(p.Policy), policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("s3: policy of access point %s: %w", p.Name, err)
	}
	p.Compiled = compiled.Named(p.ARN())
	p.IsPublic = access.IsPublic([]byte(p.Policy))
	return p, nil
}

// Point returns an access point, or the NoSuchAccessPoint fault.
func (s *Store) Point(ctx context.Context, name naming.Point) (*AccessPoint, error) {
	p, err := s.points.Get(ctx, s.kv, name)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, s3err.NoSuchAccessPoint()
	}
	return p, err
}

// PointOfAlias returns the access point that an alias stands for, or the
// NoSuchBucket fault.
func (s *Store) PointOfAlias(ctx context.Context, alias string) (*AccessPoint, error) {
	raw, err := s.kv.Get(ctx, keyAlias(alias))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, s3err.NoSuchBucket(alias)
	}
	if err != nil {
		return nil, err
	}
	var name naming.Point
	if err := json.Unmarshal(raw, &name); err != nil {
		return nil, fmt.Errorf("s3: alias record: %w", err)
	}
	return s.Point(ctx, name)
}

// CreatePoint stores a new access point of a bucket, which counts it.
func (s *Store) CreatePoint(ctx context.Context, b *Bucket, p *AccessPoint) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		now, err := s.again(tx, b)
		if err != nil {
			return err
		}
		if _, err := tx.Get(keyPoint(p.Point)); err == nil {
			return s3err.PointExists()
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		stored := *p
		if stored.AccountPublic, err = accountBlockIn(tx, p.Account); err != nil {
			return err
		}
		changed := *now
		if stored.Foreign = stored.Account != now.Account; !stored.Foreign {
			changed.Points++
		}
		return errors.Join(
			putJSON(tx, keyPoint(p.Point), &stored), putJSON(tx, keyAlias(p.Alias), p.Point), putJSON(tx, keyBucket(b.Name), &changed))
	}, keyPoint(p.Point), keyAlias(p.Alias), keyBucket(b.Name), keyAccount(p.Account))
}

// ChangePoint lets change edit a copy of an access point and stores it.
func (s *Store) ChangePoint(ctx context.Context, name naming.Point, change func(p *AccessPoint) error) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(keyPoint(name))
		if errors.Is(err, kv.ErrNotFound) {
			return s3err.NoSuchAccessPoint()
		}
		if err != nil {
			return err
		}
		p, err := decodePoint(raw)
		if err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		return putJSON(tx, keyPoint(name), p)
	}, keyPoint(name))
}

// DeletePoint deletes an access point.
func (s *Store) DeletePoint(ctx context.Context, name naming.Point) error {
	p, err := s.Point(ctx, name)
	if err != nil {
		return err
	}
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(keyPoint(name)); errors.Is(err, kv.ErrNotFound) {
			return s3err.NoSuchAccessPoint()
		} else if err != nil {
			return err
		}
		if err := errors.Join(tx.Delete(keyPoint(name)), tx.Delete(keyAlias(p.Alias))); err != nil {
			return err
		}
		b, err := s.bucketIn(tx, p.Bucket)
		if IsNoSuchBucket(err) || err == nil && (b.ID != p.BID || p.Foreign) {
			return nil
		}
		if err != nil {
			return err
		}
		changed := *b
		changed.Points--
		return putJSON(tx, keyBucket(b.Name), &changed)
	}, keyPoint(name), keyAlias(p.Alias), keyBucket(p.Bucket))
}

// Points calls fn with an account's access points in a region by name, from
// after on.
func (s *Store) Points(ctx context.Context, account, region, after string, fn func(p *AccessPoint) (bool, error)) error {
	r := kv.Prefix(keyPoints(account, region))
	if after != "" {
		r = r.After(keyPoint(naming.Point{Region: region, Account: account, Name: after}))
	}
	return s.eachPoint(ctx, r, fn)
}

func (s *Store) eachPoint(ctx context.Context, r kv.Range, fn func(p *AccessPoint) (bool, error)) error {
	return s.kv.Each(ctx, r, func(it kv.Item) (bool, error) {
		p, err := decodePoint(it.Value)
		if err != nil {
			return false, err
		}
		return fn(p)
	})
}

// AccountBlock is the account's public access block; nil: it has none.
func (s *Store) AccountBlock(ctx context.Context, account string) (*PublicAccess, error) {
	return decodeBlock(s.kv.Get(ctx, keyAccount(account)))
}

func accountBlockIn(tx *kv.Tx, account string) (*PublicAccess, error) {
	return decodeBlock(tx.Get(keyAccount(account)))
}

func decodeBlock(raw []byte, err error) (*PublicAccess, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := new(PublicAccess)
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fmt.Errorf("s3: public access block of an account: %w", err)
	}
	return p, nil
}

// SetAccountBlock sets the account's public access block, in its own record and
// then in all buckets and access points of the account, so that judging a
// request reads no more than before. What is created meanwhile reads the record.
// After an error it may hold for some of them: it must be set again.
func (s *Store) SetAccountBlock(ctx context.Context, account string, block *PublicAccess) error {
	err := s.kv.Update(ctx, func(tx *kv.Tx) error {
		if block == nil {
			return tx.Delete(keyAccount(account))
		}
		return putJSON(tx, keyAccount(account), block)
	}, keyAccount(account))
	if err != nil {
		return err
	}
	err = s.Owned(ctx, account, "", "", func(b *Bucket) (bool, error) {
		err := s.kv.Update(ctx, func(tx *kv.Tx) error {
			now, err := s.bucketIn(tx, b.Name)
			if err != nil || now.Account != account {
				return err
			}
			changed := *now
			// What the record says now: of two settings at once one holds everywhere.
			if changed.AccountPublic, err = accountBlockIn(tx, account); err != nil {
				return err
			}
			return putJSON(tx, keyBucket(b.Name), &changed)
		}, keyBucket(b.Name))
		return err == nil || IsNoSuchBucket(err), noneIf(IsNoSuchBucket(err), err)
	})
	if err != nil {
		return err
	}
	return s.eachPoint(ctx, kv.Prefix(tuple.Key("ap", account)), func(p *AccessPoint) (bool, error) {
		err := s.kv.Update(ctx, func(tx *kv.Tx) error {
			raw, err := tx.Get(keyPoint(p.Point))
			if errors.Is(err, kv.ErrNotFound) {
				return s3err.NoSuchAccessPoint()
			}
			if err != nil {
				return err
			}
			now, err := decodePoint(raw)
			if err != nil {
				return err
			}
			if now.AccountPublic, err = accountBlockIn(tx, account); err != nil {
				return err
			}
			return putJSON(tx, keyPoint(p.Point), now)
		}, keyPoint(p.Point))
		gone := s3err.IsNoSuchAccessPoint(err)
		return err == nil || gone, noneIf(gone, err)
	})
}

// noneIf drops an error that does not matter.
func noneIf(gone bool, err error) error {
	if gone {
		return nil
	}
	return err
}
