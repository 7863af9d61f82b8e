package cognitoidp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/engine/kv"
)

// The lockout: after lockAfter failures each further one locks for a time that
// doubles, at most lockMax; lockForget without attempts clears the count.
const (
	lockAfter  = 5
	lockMax    = 15 * time.Minute
	lockForget = 15 * time.Minute
	// ghostGuards is how many counters users that do not exist share.
	ghostGuards = 1024
)

// session is the state of a sign-in between challenge and answer. The client
// carries it, sealed; the store only remembers which were answered.
type session struct {
	ID        string            `json:"i"`
	Pool      string            `json:"p"`
	Client    string            `json:"c"`
	User      string            `json:"u"` // key; of a ghost: the name as given
	Name      string            `json:"n"` // USER_ID_FOR_SRP
	Challenge string            `json:"k"`
	Ends      int64             `json:"e"` // Unix milliseconds
	Ghost     bool              `json:"g,omitempty"`
	A         []byte            `json:"a,omitempty"` // client's public value
	B         []byte            `json:"b,omitempty"` // our secret exponent
	Metadata  map[string]string `json:"m,omitempty"`
}

func purposeSession(p place) string { return "cognitoidp/session/" + p.Pool }

func (s *Service) sealSession(p place, v session) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return s.d.Seal.SealToken(purposeSession(p), raw), nil
}

// openSession reads a session string and checks that it is for this challenge
// and client, and still in time.
func (s *Service) openSession(a *app, text, challenge string, now time.Time) (*session, error) {
	raw, err := s.d.Seal.OpenToken(purposeSession(a.place), text)
	if err != nil {
		return nil, errSession()
	}
	var v session
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if v.Pool != a.Pool || v.Client != a.client.ID() || v.Challenge != challenge {
		return nil, errSession()
	}
	if now.UnixMilli() >= v.Ends {
		return nil, errSessionExpired()
	}
	return &v, nil
}

// useSession takes a session as answered; a second answer is refused (C1).
func (s *Service) useSession(tx *kv.Tx, v *session) error {
	k := usedKey(time.UnixMilli(v.Ends), v.ID)
	used, err := exists(txReader{tx}, k)
	if err != nil {
		return err
	}
	if used {
		return errSessionUsed()
	}
	return tx.Put(k, nil)
}

// SECRET_BLOCK is a session too, in the alphabet that clients decode.
func blockOf(token string) string { return base64.StdEncoding.EncodeToString([]byte(token)) }

func tokenOfBlock(block string) (string, []byte, error) {
	raw, err := base64.StdEncoding.DecodeString(block)
	if err != nil {
		return "", nil, errSession()
	}
	return string(raw), raw, nil
}

// guard counts failed passwords.
type guard struct {
	Failures int
	Last     time.Time
	Until    time.Time // locked up to here
}

// locked reports whether attempts are refused at this moment.
func (g *guard) locked(now time.Time) bool { return g != nil && now.Before(g.Until) }

// fail counts one more failure.
func (g guard) fail(now time.Time) guard {
	if now.Sub(g.Last) >= lockForget {
		g.Failures = 0
	}
	g.Failures++
	g.Last = now
	if n := g.Failures - lockAfter; n >= 0 {
		lock := lockMax
		if n < 10 { // 2^10 s is more than lockMax
			lock = min(lockMax, time.Second<<n)
		}
		g.Until = now.Add(lock)
	}
	return g
}

// guarded runs check, which says whether a password was right, under the
// lockout of one user (C3).
func (s *Service) guarded(ctx context.Context, p place, key string, now time.Time, check func() (bool, error)) error {
	mu := s.users.of(p, key)
	mu.Lock()
	defer mu.Unlock()
	k := p.key(kindGuard, key)
	g, err := find[guard](s.reader(ctx), k)
	if err != nil {
		return err
	}
	if g.locked(now) {
		return api.ErrNotAuthorizedException("Password attempts exceeded")
	}
	right, err := check()
	if err != nil {
		return err
	}
	if right {
		if g != nil {
			return s.d.KV.Delete(ctx, k)
		}
		return nil
	}
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		g, err := find[guard](txReader{tx}, k)
		if err != nil {
			return err
		}
		if g == nil {
			g = &guard{}
		}
		return put(tx, k, g.fail(now))
	}, k)
	return errors.Join(err, errPassword())
}
