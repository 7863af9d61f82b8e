package kms

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// tokenPurpose is what grant tokens are sealed for.
const tokenPurpose = "kms/grant-token"

// grantIDBytes is half the digits of a grant's id.
const grantIDBytes = 32

// token is what a grant token says.
type token struct{ Account, Region, Key, Grant string }

// newGrant is the grant that a request asks for; it has no id yet.
func newGrant(in *api.CreateGrantInput) *grant {
	g := &grant{
		Name: smithy.Val(in.Name), Operations: in.Operations,
		Grantee: smithy.Val(in.GranteePrincipal), Retiree: smithy.Val(in.RetiringPrincipal),
		GranteeName: smithy.Val(in.GranteeServicePrincipal), RetireeName: smithy.Val(in.RetiringServicePrincipal),
	}
	if in.Constraints != nil {
		g.Equals, g.Subset = in.Constraints.EncryptionContextEquals, in.Constraints.EncryptionContextSubset
		g.SourceARN = smithy.Val(in.Constraints.SourceArn)
	}
	return g
}

func checkGrant(g *grant, k *key) error {
	if (g.Grantee == "") == (g.GranteeName == "") {
		return validation("Exactly one of GranteePrincipal and GranteeServicePrincipal must be specified.")
	}
	for _, who := range []string{g.Grantee, g.Retiree} {
		if err := checkPrincipal(who); err != nil {
			return err
		}
	}
	if len(g.Operations) == 0 {
		return validation("Operations must not be empty.")
	}
	may := grantable(k.Usage, k.symmetric())
	for _, op := range g.Operations {
		if !slices.Contains(may, op) {
			return validation("Grant operation %s is not valid for key %s: it may be one of %s", op, k.arn(), list(may))
		}
	}
	if g.Equals != nil && g.Subset != nil {
		return validation("A grant can have one of EncryptionContextEquals and EncryptionContextSubset.")
	}
	if (g.Equals != nil || g.Subset != nil) && !k.symmetric() {
		return validation("Encryption context constraints are valid for symmetric encryption keys only.")
	}
	return nil
}

func (s *Service) createGrant(ctx context.Context, c *service.Call, in *api.CreateGrantInput) (*api.CreateGrantOutput, error) {
	if err := s.checkTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	g := newGrant(in)
	if err := checkGrant(g, k.key); err != nil {
		return nil, err
	}
	if err := k.enabled(); err != nil {
		return nil, err
	}
	have, err := s.store.grants(ctx, k.place(), k.ID, "", 0)
	if err != nil {
		return nil, err
	}
	if len(have) >= grantsPerKeyMax {
		return nil, api.ErrLimitExceededException("A key can have at most %d grants.", grantsPerKeyMax)
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	g.ID, g.KeyID, g.KeyARN, g.Created, g.Issuer = s.deps.Ident.Hex(grantIDBytes), k.ID, k.arn(), c.Now.UTC(), c.Caller.AccountID
	// A named grant is made once: asking again gives the same id.
	if i := slices.IndexFunc(have, func(h grant) bool { return g.Name != "" && g.same(&h) }); i >= 0 {
		g = &have[i]
	} else if err := s.store.putGrant(ctx, k.place(), g); err != nil {
		if errors.Is(err, errAbsent) {
			err = noKey(k.arn())
		}
		return nil, err
	}
	sealed := s.deps.Seal.SealToken(tokenPurpose, encode(token{k.Account, k.Region, k.ID, g.ID}))
	return &api.CreateGrantOutput{GrantId: &g.ID, GrantToken: &sealed}, nil
}

// checkTokens refuses tokens that are not moln's. Grants are in force from the
// moment that they exist, so tokens give nothing more.
func (s *Service) checkTokens(tokens []string) error {
	for _, t := range tokens {
		if _, err := s.openToken(t); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) openToken(sealed string) (token, error) {
	var t token
	b, err := s.deps.Seal.OpenToken(tokenPurpose, sealed)
	if err != nil || json.Unmarshal(b, &t) != nil {
		return t, api.ErrInvalidGrantTokenException("The grant token is not valid.")
	}
	return t, nil
}

// grantToRetire gives the grant that a request to retire means, and its key.
func (s *Service) grantToRetire(ctx context.Context, c *service.Call, in *api.RetireGrantInput) (named, *grant, error) {
	id, grantID := smithy.Val(in.KeyId), smithy.Val(in.GrantId)
	switch {
	case in.GrantToken != nil && (id != "" || grantID != ""):
		return named{}, nil, validation("Only one of a grant token, or a key ID and a grant ID, may be specified.")
	case in.GrantToken != nil:
		t, err := s.openToken(*in.GrantToken)
		if err != nil {
			return named{}, nil, err
		}
		id, grantID = keyARN(t.Account, t.Region, t.Key), t.Grant
	case id == "" || grantID == "":
		return named{}, nil, validation("A grant token, or a key ID and a grant ID, must be specified.")
	}
	k, err := s.find(ctx, c, id, false)
	if err != nil {
		return named{}, nil, err
	}
	g, err := s.store.grant(ctx, k.place(), k.ID, grantID)
	if errors.Is(err, errAbsent) {
		err = api.ErrNotFoundException("Grant with id %s does not exist", grantID)
	}
	return k, g, err
}

func (s *Service) retireGrant(ctx context.Context, c *service.Call, in *api.RetireGrantInput) (*api.RetireGrantOutput, error) {
	k, g, err := s.grantToRetire(ctx, c, in)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return nil, s.store.deleteGrant(ctx, k.place(), k.ID, g.ID)
}

func (s *Service) revokeGrant(ctx context.Context, c *service.Call, in *api.RevokeGrantInput) (*api.RevokeGrantOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.grant(ctx, k.place(), k.ID, *in.GrantId); err != nil {
		if errors.Is(err, errAbsent) {
			err = api.ErrNotFoundException("Grant with id %s does not exist", *in.GrantId)
		}
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return nil, s.store.deleteGrant(ctx, k.place(), k.ID, *in.GrantId)
}

func (s *Service) listGrants(ctx context.Context, c *service.Call, in *api.ListGrantsInput) (*api.ListGrantsOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	all, err := s.store.grants(ctx, k.place(), k.ID, smithy.Val(in.Marker), 0)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(g grant) bool {
		return differs(in.GrantId, g.ID) || differs(in.GranteePrincipal, g.Grantee) || differs(in.GranteeServicePrincipal, g.GranteeName)
	})
	return grantPage(all, limitOf(in.Limit, 50, 100)), nil
}

func differs(want *string, have string) bool { return want != nil && *want != have }

func grantPage(all []grant, limit int) *api.ListGrantsResponse {
	out := &api.ListGrantsResponse{Grants: []api.GrantListEntry{}, Truncated: new(len(all) > limit)}
	for i := range all[:min(limit, len(all))] {
		out.NextMarker = nextMarker(*out.Truncated, all[i].ID)
		out.Grants = append(out.Grants, all[i].entry())
	}
	return out
}

func (s *Service) listRetirableGrants(ctx context.Context, c *service.Call, in *api.ListRetirableGrantsInput) (*api.ListRetirableGrantsOutput, error) {
	who, name := smithy.Val(in.RetiringPrincipal), smithy.Val(in.RetiringServicePrincipal)
	if (who == "") == (name == "") {
		return nil, validation("Exactly one of RetiringPrincipal and RetiringServicePrincipal must be specified.")
	}
	var all []grant
	if err := s.store.allGrants(ctx, placeOf(c), func(g grant) bool {
		if g.retires(who, name) {
			all = append(all, g)
		}
		return true
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b grant) int { return strings.Compare(a.ID, b.ID) })
	all = slices.DeleteFunc(all, func(g grant) bool { return g.ID <= smithy.Val(in.Marker) })
	return grantPage(all, limitOf(in.Limit, 50, 100)), nil
}
