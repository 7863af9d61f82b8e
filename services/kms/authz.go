package kms

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/kms/envelope"
)

// question is one action on one key, before the key is known.
type question struct {
	action  string // without "kms:"
	id      string
	aliases bool // the operation takes aliases
	context map[string]string
	keys    policy.Keys // condition keys of the request
	grantID string
	child   *grant
}

// authorize names the key that a request is about, with its policy, its grants
// and what conditions may ask (K1).
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	switch in := in.(type) {
	case *api.CreateKeyInput:
		return s.creation(c, in), nil
	case *api.ListKeysInput, *api.ListAliasesInput, *api.ListRetirableGrantsInput, *api.GenerateRandomInput:
		return []service.Check{{Action: op.Actions[0], Resource: "*", Context: s.callKeys(c, nil)}}, nil
	case *api.CreateAliasInput:
		return s.aliasChecks(ctx, c, op.Name, *in.AliasName, *in.TargetKeyId)
	case *api.UpdateAliasInput:
		return s.updateAliasChecks(ctx, c, in)
	case *api.DeleteAliasInput:
		return s.deleteAliasChecks(ctx, c, in)
	case *api.ReEncryptInput:
		return s.reEncryptChecks(ctx, c, in)
	case *api.RetireGrantInput:
		return s.retireChecks(ctx, c, in)
	case *api.DecryptInput:
		return s.decryptChecks(ctx, c, in)
	case *api.ReplicateKeyInput:
		return s.replicaChecks(ctx, c, in)
	case *api.UpdatePrimaryRegionInput:
		return s.primaryChecks(ctx, c, in)
	}
	q := ask(op.Name, in)
	k, err := s.find(ctx, c, q.id, q.aliases)
	if err != nil {
		return nil, err
	}
	check, err := s.check(ctx, c, k, q)
	return []service.Check{check}, err
}

// check is a question about a key that was found.
func (s *Service) check(ctx context.Context, c *service.Call, k named, q question) (service.Check, error) {
	p := k.compiled
	if k.Granted {
		grants, err := s.store.grants(ctx, k.place(), k.ID, "", 0)
		if err != nil {
			return service.Check{}, err
		}
		more, err := statements(grants, asked{operation: q.action, context: q.context, sourceARN: c.Caller.SourceARN, grantID: q.grantID, child: q.child})
		if err != nil {
			return service.Check{}, err
		}
		p = p.With(more)
	}
	keys := s.callKeys(c, q.keys)
	describeKey(keys, k)
	describeContext(keys, q.context)
	return service.Check{
		Action: "kms:" + q.action, Resource: k.arn(), Account: k.Account,
		Policy: p, PolicyMandatory: true, Context: keys,
	}, nil
}

// callKeys are the condition keys of every call, over own.
func (s *Service) callKeys(c *service.Call, own policy.Keys) policy.Keys {
	keys := policy.Keys{}
	maps.Copy(keys, own)
	if c.Caller.AccountID != "" {
		keys["kms:calleraccount"] = []string{c.Caller.AccountID}
	}
	keys["kms:grantisforawsresource"] = []string{strconv.FormatBool(c.Via != "" || c.Caller.Kind == policy.Service)}
	if c.Via != "" && c.Caller.Kind != policy.Service {
		keys["kms:viaservice"] = []string{c.Via + "." + c.Region + ".amazonaws.com"}
	}
	return keys
}

func describeKey(keys policy.Keys, k named) {
	set := func(name, value string) { keys["kms:"+name] = []string{value} }
	set("keyorigin", k.origin())
	set("keyspec", k.Spec)
	set("keyusage", k.Usage)
	set("customermasterkeyspec", k.Spec)
	set("customermasterkeyusage", k.Usage)
	set("multiregion", strconv.FormatBool(k.multi()))
	if m := k.configuration(); m != nil {
		set("multiregionkeytype", *m.MultiRegionKeyType)
	}
	if k.alias != "" {
		set("requestalias", k.alias)
	}
	if len(k.Aliases) > 0 {
		keys["kms:resourcealiases"] = k.Aliases
	}
	for name, value := range k.Tags {
		keys["aws:resourcetag/"+strings.ToLower(name)] = []string{value}
	}
}

func describeContext(keys policy.Keys, encryption map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(encryption)) {
		// Names of condition keys have no case, those in a context do: of two
		// that are one as keys neither hides the other.
		key := "kms:encryptioncontext:" + strings.ToLower(name)
		keys[key] = append(keys[key], encryption[name])
	}
	if len(encryption) > 0 {
		keys["kms:encryptioncontextkeys"] = slices.Sorted(maps.Keys(encryption))
	}
}

// one is a condition key with one value, where there is one.
func one(name string, value *string) policy.Keys {
	if value == nil {
		return nil
	}
	return policy.Keys{name: {*value}}
}

// both is two sets of condition keys.
func both(a, b policy.Keys) policy.Keys {
	out := policy.Keys{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

func tagKeys(tags []api.Tag) policy.Keys {
	keys := policy.Keys{}
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(*t.TagKey)] = []string{*t.TagValue}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], *t.TagKey)
	}
	return keys
}

func (s *Service) creation(c *service.Call, in *api.CreateKeyInput) []service.Check {
	spec := smithy.Val(in.KeySpec)
	if spec == "" {
		spec = api.KeySpecSymmetricDefault
	}
	usage := smithy.Val(in.KeyUsage)
	if usage == "" {
		usage = api.KeyUsageTypeEncryptDecrypt
	}
	keys := s.callKeys(c, tagKeys(in.Tags))
	keys["kms:keyspec"], keys["kms:keyusage"] = []string{spec}, []string{usage}
	keys["kms:keyorigin"], keys["kms:multiregion"] = []string{api.OriginTypeAwsKms}, []string{strconv.FormatBool(smithy.Val(in.MultiRegion))}
	if smithy.Val(in.MultiRegion) {
		keys["kms:multiregionkeytype"] = []string{api.MultiRegionKeyTypePrimary}
	}
	if in.Origin != nil {
		keys["kms:keyorigin"] = []string{*in.Origin}
	}
	keys["kms:bypasspolicylockoutsafetycheck"] = []string{strconv.FormatBool(smithy.Val(in.BypassPolicyLockoutSafetyCheck))}
	checks := []service.Check{{Action: "kms:CreateKey", Resource: "*", Context: keys}}
	if len(in.Tags) > 0 {
		checks = append(checks, service.Check{Action: "kms:TagResource", Resource: keyARN(c.Account, c.Region, "*"), Context: keys})
	}
	return checks
}

// aliasChecks asks for an action on an alias and on its key.
func (s *Service) aliasChecks(ctx context.Context, c *service.Call, action, name string, ids ...string) ([]service.Check, error) {
	checks := []service.Check{{
		Action: "kms:" + action, Resource: aliasARN(c.Account, c.Region, name), Context: s.callKeys(c, nil),
	}}
	for _, id := range ids {
		if isAlias(id) {
			return nil, validation("Aliases must refer to keys. Not aliases")
		}
		k, err := s.find(ctx, c, id, false)
		if err != nil {
			return nil, err
		}
		check, err := s.check(ctx, c, k, question{action: action})
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func (s *Service) updateAliasChecks(ctx context.Context, c *service.Call, in *api.UpdateAliasInput) ([]service.Check, error) {
	a, err := s.ownAlias(ctx, c, *in.AliasName)
	if err != nil {
		return nil, err
	}
	return s.aliasChecks(ctx, c, "UpdateAlias", *in.AliasName, a.KeyID, *in.TargetKeyId)
}

func (s *Service) deleteAliasChecks(ctx context.Context, c *service.Call, in *api.DeleteAliasInput) ([]service.Check, error) {
	a, err := s.ownAlias(ctx, c, *in.AliasName)
	if err != nil {
		return nil, err
	}
	return s.aliasChecks(ctx, c, "DeleteAlias", *in.AliasName, a.KeyID)
}

func (s *Service) decryptChecks(ctx context.Context, c *service.Call, in *api.DecryptInput) ([]service.Check, error) {
	k, err := s.decryptsWith(ctx, c, in.KeyId, in.CiphertextBlob)
	if err != nil {
		return nil, err
	}
	check, err := s.check(ctx, c, k, question{
		action: "Decrypt", context: in.EncryptionContext, keys: one("kms:encryptionalgorithm", algorithmOf(in.EncryptionAlgorithm)),
	})
	return []service.Check{check}, err
}

// decryptsWith gives the key that a ciphertext is to be decrypted with: the one
// that the request names, or the one that the ciphertext names.
func (s *Service) decryptsWith(ctx context.Context, c *service.Call, id *string, blob []byte) (named, error) {
	if id != nil {
		return s.find(ctx, c, *id, true)
	}
	h, err := envelope.Parse(blob)
	if err != nil {
		return named{}, badCiphertext()
	}
	k, err := s.load(ctx, c, place{h.Account, c.Region}, h.KeyID)
	if fault.Is(err, "NotFoundException") {
		return named{}, noAccess()
	}
	return named{key: k}, err
}

func (s *Service) reEncryptChecks(ctx context.Context, c *service.Call, in *api.ReEncryptInput) ([]service.Check, error) {
	from, err := s.decryptsWith(ctx, c, in.SourceKeyId, in.CiphertextBlob)
	if err != nil {
		return nil, err
	}
	to, err := s.find(ctx, c, *in.DestinationKeyId, true)
	if err != nil {
		return nil, err
	}
	same := policy.Keys{"kms:reencryptonsamekey": {strconv.FormatBool(from.ID == to.ID)}}
	source, err := s.check(ctx, c, from, question{
		action: "ReEncryptFrom", context: in.SourceEncryptionContext,
		keys: both(same, one("kms:encryptionalgorithm", algorithmOf(in.SourceEncryptionAlgorithm))),
	})
	if err != nil {
		return nil, err
	}
	destination, err := s.check(ctx, c, to, question{
		action: "ReEncryptTo", context: in.DestinationEncryptionContext,
		keys: both(same, one("kms:encryptionalgorithm", algorithmOf(in.DestinationEncryptionAlgorithm))),
	})
	return []service.Check{source, destination}, err
}

func (s *Service) retireChecks(ctx context.Context, c *service.Call, in *api.RetireGrantInput) ([]service.Check, error) {
	k, g, err := s.grantToRetire(ctx, c, in)
	if err != nil {
		return nil, err
	}
	check, err := s.check(ctx, c, k, question{action: "RetireGrant", grantID: g.ID, keys: constraintKeys(g)})
	return []service.Check{check}, err
}

func isAlias(id string) bool {
	return strings.HasPrefix(id, "alias/") || (strings.HasPrefix(id, "arn:") && strings.Contains(id, ":alias/"))
}
