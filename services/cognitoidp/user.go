package cognitoidp

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/cognitoidp/settings"
)

// States of users.
const (
	statusUnconfirmed = "UNCONFIRMED"
	statusConfirmed   = "CONFIRMED"
	statusForceChange = "FORCE_CHANGE_PASSWORD"
	statusReset       = "RESET_REQUIRED"
)

// user is what is stored of a user.
type user struct {
	Username   string // as it was given, or the sub
	Sub        string
	Attributes map[string]string // without sub
	Status     string
	Enabled    bool
	Created    time.Time
	Modified   time.Time
	Secret     *secret `json:",omitempty"` // nil: no password yet
	// TemporaryUntil is when a temporary password ends; zero: never.
	TemporaryUntil time.Time
}

// wire lists the attributes as answers have them: sub first, then by name.
func (u *user) wire(keep func(name string) bool) []api.AttributeType {
	out := []api.AttributeType{}
	add := func(name, value string) {
		if keep == nil || keep(name) {
			out = append(out, api.AttributeType{Name: &name, Value: &value})
		}
	}
	add(settings.AttributeSub, u.Sub)
	for _, name := range slices.Sorted(maps.Keys(u.Attributes)) {
		add(name, u.Attributes[name])
	}
	return out
}

func (u *user) describe(keep func(string) bool) api.UserType {
	return api.UserType{
		Username: ptr(u.Username), Attributes: u.wire(keep), Enabled: ptr(u.Enabled), UserStatus: ptr(u.Status),
		UserCreateDate: ptr(u.Created), UserLastModifiedDate: ptr(u.Modified),
	}
}

// verified reports whether an address may be written to for recovery.
func (u *user) verified(attribute string) bool {
	return u.Attributes[attribute] != "" && u.Attributes[attribute+"_verified"] == "true"
}

// set changes one attribute; an empty value deletes it. A changed address is no
// longer verified.
func (u *user) set(name, value string) {
	if name == settings.AttributeEmail || name == settings.AttributePhone {
		if u.Attributes[name] != value {
			u.Attributes[name+"_verified"] = "false"
		}
		if value == "" {
			delete(u.Attributes, name+"_verified")
		}
	}
	if value == "" {
		delete(u.Attributes, name)
		return
	}
	u.Attributes[name] = value
}

// aliases gives the alias index's entries that the user is entitled to. Sign-in
// names count from the start, aliases proper once they are verified, and the
// preferred name once the user is confirmed.
func (u *user) aliases(p *pool) map[string]string {
	out := map[string]string{}
	for _, a := range []string{settings.AttributeEmail, settings.AttributePhone} {
		value := u.Attributes[a]
		if value != "" && (p.SignsInWith(a) || p.HasAlias(a) && u.verified(a)) {
			out[a] = p.FoldAttribute(value)
		}
	}
	if v := u.Attributes[settings.AttributePreferred]; v != "" && p.HasAlias(settings.AttributePreferred) && u.Status != statusUnconfirmed {
		out[settings.AttributePreferred] = p.Fold(v)
	}
	return out
}

// errAliasTaken is returned by saveUser, with which alias it was.
type aliasTaken struct{ attribute, owner string }

func (e *aliasTaken) Error() string { return "cognitoidp: alias " + e.attribute + " is taken" }

// saveUser writes u under its key and keeps the alias index true. before is the
// user as it was stored, nil for a new one. force takes aliases away from their
// owners, whose attribute is then no longer verified.
func (s *Service) saveUser(tx *kv.Tx, p place, up *pool, key string, before, u *user, force bool) error {
	old := map[string]string{}
	if before != nil {
		old = before.aliases(up)
	}
	entries := u.aliases(up)
	for a, value := range entries {
		if old[a] == value {
			continue
		}
		if err := s.claimAlias(tx, p, up, key, a, value, force); err != nil {
			return err
		}
	}
	for a, value := range old {
		if entries[a] != value {
			if err := tx.Delete(p.key(kindAlias, a, value)); err != nil {
				return err
			}
		}
	}
	if before == nil {
		if err := tx.Put(p.key(kindSub, u.Sub), []byte(key)); err != nil {
			return err
		}
	}
	return put(tx, p.key(kindUser, key), u)
}

func (s *Service) claimAlias(tx *kv.Tx, p place, up *pool, key, attribute, value string, force bool) error {
	k := p.key(kindAlias, attribute, value)
	owner, err := tx.Get(k)
	switch {
	case errors.Is(err, kv.ErrNotFound), err == nil && string(owner) == key:
		return tx.Put(k, []byte(key))
	case err != nil:
		return err
	case !force || up.SignsInWith(attribute):
		return &aliasTaken{attribute, string(owner)}
	}
	other, err := load[user](txReader{tx}, p.key(kindUser, string(owner)))
	if err != nil {
		return err
	}
	other.Attributes[attribute+"_verified"] = "false"
	if attribute == settings.AttributePreferred {
		delete(other.Attributes, settings.AttributePreferred)
	}
	if err := put(tx, p.key(kindUser, string(owner)), other); err != nil {
		return err
	}
	return tx.Put(k, []byte(key))
}

// findUser looks a sign-in name up: a username, a sub where the pool generates
// names, or an alias. The key is "" and the user nil where there is none.
func (s *Service) findUser(r reader, p place, up *pool, name string) (string, *user, error) {
	key := up.Fold(name)
	u, err := find[user](r, p.key(kindUser, key))
	if err != nil || u != nil {
		return key, u, err
	}
	for _, a := range []string{settings.AttributeEmail, settings.AttributePhone, settings.AttributePreferred} {
		if !up.SignsInWith(a) && !up.HasAlias(a) {
			continue
		}
		owner, err := r.get(p.key(kindAlias, a, up.FoldAttribute(name)))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		u, err := find[user](r, p.key(kindUser, string(owner)))
		if err != nil || u != nil {
			return string(owner), u, err
		}
	}
	return s.findBySub(r, p, name)
}

func (s *Service) findBySub(r reader, p place, sub string) (string, *user, error) {
	key, err := r.get(p.key(kindSub, sub))
	if errors.Is(err, kv.ErrNotFound) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	u, err := find[user](r, p.key(kindUser, string(key)))
	return string(key), u, err
}

// getUser is findUser for administrators: no user is a fault.
func (s *Service) getUser(r reader, p place, up *pool, name string) (string, *user, error) {
	key, u, err := s.findUser(r, p, up, name)
	if err == nil && u == nil {
		err = errNoUser()
	}
	return key, u, err
}

func errNoUser() error { return api.ErrUserNotFoundException("User does not exist.") }

// changeUser loads a user, lets fn change it and stores it, in one transaction.
// fn may run several times.
func (s *Service) changeUser(ctx context.Context, p place, up *pool, key string, now time.Time, fn func(tx *kv.Tx, u *user) error) (*user, error) {
	return s.changeUserForce(ctx, p, up, key, now, false, fn)
}

func (s *Service) changeUserForce(ctx context.Context, p place, up *pool, key string, now time.Time, force bool, fn func(tx *kv.Tx, u *user) error) (*user, error) {
	var out *user
	lock := p.key(kindUser, key)
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		u, err := find[user](txReader{tx}, lock)
		if err != nil {
			return err
		}
		if u == nil {
			return errNoUser()
		}
		before := *u
		before.Attributes = maps.Clone(u.Attributes)
		if err := fn(tx, u); err != nil {
			return err
		}
		u.Modified = now
		out = u
		return s.saveUser(tx, p, up, key, &before, u, force)
	}, lock)
	return out, aliasFault(err)
}

// aliasFault words an alias conflict for callers.
func aliasFault(err error) error {
	var taken *aliasTaken
	if errors.As(err, &taken) {
		return api.ErrAliasExistsException("An account with the %s already exists.", strings.ReplaceAll(taken.attribute, "_", " "))
	}
	return err
}

// deleteUser removes a user and all that belongs to it.
func (s *Service) deleteUser(ctx context.Context, p place, up *pool, key string) error {
	lock := p.key(kindUser, key)
	return s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		u, err := find[user](txReader{tx}, lock)
		if err != nil {
			return err
		}
		if u == nil {
			return errNoUser()
		}
		for a, value := range u.aliases(up) {
			if err := tx.Delete(p.key(kindAlias, a, value)); err != nil {
				return err
			}
		}
		groups, err := groupsOf(tx, p, key)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if err := tx.Delete(p.key(kindMember, g, key)); err != nil {
				return err
			}
		}
		for _, kind := range []string{kindOf, kindCode, kindRate, kindLogin} {
			if err := dropPrefix(tx, p.key(kind, key)); err != nil {
				return err
			}
		}
		for _, k := range [][]byte{lock, p.key(kindSub, u.Sub), p.key(kindGuard, key)} {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
		return nil
	}, lock)
}
