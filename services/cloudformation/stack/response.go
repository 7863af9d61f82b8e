package stack

import (
	"context"
	"errors"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Answers of custom resources are kept under the secret of their ResponseURL.
// They know no account: the secret alone opens them.

func answerKey(secret string) []byte { return tuple.Key("answer", secret) }

// Expect makes a secret valid; it does nothing where it is already.
func (s *Store) Expect(ctx context.Context, secret string) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(answerKey(secret))
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return tx.Put(answerKey(secret), nil)
	})
}

// PutAnswer stores an answer; false: nobody expects it.
func (s *Store) PutAnswer(ctx context.Context, secret string, body []byte) (bool, error) {
	ok := false
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(answerKey(secret))
		if ok = err == nil; !ok {
			if errors.Is(err, kv.ErrNotFound) {
				return nil
			}
			return err
		}
		return tx.Put(answerKey(secret), body)
	})
	return ok, err
}

// Answer gives what was answered, empty as long as nothing was.
func (s *Store) Answer(ctx context.Context, secret string) ([]byte, error) {
	raw, err := s.db.Get(ctx, answerKey(secret))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNotFound
	}
	return raw, err
}

// WatchAnswer rings when an answer may have come.
func (s *Store) WatchAnswer(secret string) (<-chan struct{}, func()) {
	return s.db.Watch(answerKey(secret))
}

// Forget ends a secret.
func (s *Store) Forget(ctx context.Context, secret string) error {
	return s.db.Delete(ctx, answerKey(secret))
}
