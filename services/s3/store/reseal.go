package store

import (
	"bytes"
	"context"
	"errors"
	"strconv"
)

// ErrChanged: a version is not what it was when it was read.
var ErrChanged = errors.New("s3: the version was changed meanwhile")

// PartsID is the id of the list of an object's parts: the id of its data, and
// after it how often their keys were wrapped anew. Whoever has begun to read by one
// list goes on with it, however often that happens.
func (b *Body) PartsID() string {
	if b.List == 0 {
		return b.ID
	}
	return b.ID + "." + strconv.Itoa(b.List)
}

// Reseal wraps the data keys of a version under another outer key, in one
// transaction: whoever reads finds the one or the other, and the bytes stay what
// they are. was is the version as it was read, unlocked. may judges the version
// as it is now. It fails with ErrChanged where that is another or has other keys.
func (s *Store) Reseal(ctx context.Context, b *Bucket, was *Object, e *Encryption, outer []byte, may func(o *Object) error) error {
	return s.Update(ctx, b, was.Key, func(tx *Tx) error {
		o, err := tx.Change(was.Version, func(o *Object) error {
			if o.ID != was.ID || o.List != was.List || !bytes.Equal(o.DataKey, was.DataKey) || !bytes.Equal(wrappedOf(o), wrappedOf(was)) {
				return ErrChanged
			}
			if err := may(o); err != nil {
				return err
			}
			o.SSE = e
			if o.Parts > 0 {
				return tx.resealParts(o, was.outer, outer)
			}
			return s.reseal(&o.Body, was.outer, outer)
		})
		if err == nil && o == nil {
			return ErrChanged
		}
		return err
	})
}

func wrappedOf(o *Object) []byte {
	if o.SSE == nil {
		return nil
	}
	return o.SSE.Wrapped
}

// reseal wraps the data key of one body, which is encrypted once, anew.
func (s *Store) reseal(b *Body, from, to []byte) error {
	key, err := s.openDataKey(b.under(from))
	if err != nil {
		return err
	}
	kept, err := wrap(to, s.ids.Bytes(wrapNonceBytes), key, b.ID)
	if err != nil {
		return err
	}
	b.DataKey, b.Locked = s.seal.Seal(dataKeyPurpose+b.ID, kept), true
	return nil
}

// resealParts makes another list of an object's parts. The one that was is read
// by those who have begun to, and dropped some minutes later.
func (tx *Tx) resealParts(o *Object, from, to []byte) error {
	old := o.PartsID()
	list, err := tx.s.partListBy(old, tx.KV.Get)
	if err != nil {
		return err
	}
	parts, err := list.all()
	if err != nil {
		return err
	}
	for i := range parts {
		if err := tx.s.reseal(&parts[i].Body, from, to); err != nil {
			return err
		}
	}
	o.List++
	if err := tx.putParts(o.PartsID(), parts); err != nil {
		return err
	}
	return tx.leave(old, garbage{Of: o.ID})
}
