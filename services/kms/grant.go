package kms

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
)

// grant lets a principal do some operations with a key.
type grant struct {
	ID, KeyID, KeyARN, Name  string
	Created                  time.Time
	Issuer                   string // the account
	Grantee, Retiree         string // principals' ARNs, or empty
	GranteeName, RetireeName string // service principals, or empty
	Operations               []string
	Equals                   map[string]string `json:",omitempty"` // the context has to be this
	Subset                   map[string]string `json:",omitempty"` // the context has to hold this
	SourceARN                string            `json:",omitempty"`
}

// asked is what of a request bears on grants.
type asked struct {
	operation string // without "kms:"
	context   map[string]string
	sourceARN string
	// grantID limits RetireGrant to the one grant.
	grantID string
	// child is the grant that CreateGrant asks for.
	child *grant
}

// statements gives the policy that the grants of a key amount to for a request;
// nil where none applies.
func statements(grants []grant, a asked) (*policy.Policy, error) {
	type statement struct {
		Effect, Action, Resource string
		Principal                map[string]string
	}
	var all []statement
	for i := range grants {
		g := &grants[i]
		for _, who := range g.principals(a) {
			all = append(all, statement{
				Effect: "Allow", Principal: who, Action: "kms:" + a.operation, Resource: "*",
			})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(doc, policy.Resource)
	if err != nil {
		return nil, err
	}
	return p.Named("grants"), nil
}

// principals are those whom the grant lets do what is asked.
func (g *grant) principals(a asked) []map[string]string {
	var out []map[string]string
	add := func(who, name string) {
		if who != "" {
			out = append(out, map[string]string{"AWS": who})
		}
		if name != "" {
			out = append(out, map[string]string{"Service": name})
		}
	}
	if a.operation == api.GrantOperationRetireGrant {
		if g.ID == a.grantID {
			add(g.Retiree, g.RetireeName)
			if slices.Contains(g.Operations, a.operation) {
				add(g.Grantee, g.GranteeName)
			}
		}
		return out
	}
	if slices.Contains(g.Operations, a.operation) && g.holds(a) {
		add(g.Grantee, g.GranteeName)
	}
	return out
}

// holds reports whether the grant's constraints let the request pass.
func (g *grant) holds(a asked) bool {
	if g.SourceARN != "" && g.SourceARN != a.sourceARN {
		return false
	}
	switch a.operation {
	case api.GrantOperationDescribeKey, api.GrantOperationGetPublicKey:
		return true
	case api.GrantOperationCreateGrant:
		return g.covers(a.child)
	}
	return (g.Equals == nil || maps.Equal(g.Equals, a.context)) && within(g.Subset, a.context)
}

// covers reports whether a child gives nothing that g does not.
func (g *grant) covers(child *grant) bool {
	for _, op := range child.Operations {
		if !slices.Contains(g.Operations, op) {
			return false
		}
	}
	if g.SourceARN != "" && child.SourceARN != g.SourceARN {
		return false
	}
	switch {
	case g.Equals != nil:
		return maps.Equal(g.Equals, child.Equals)
	case g.Subset != nil:
		return within(g.Subset, child.Equals) || within(g.Subset, child.Subset)
	}
	return true
}

func within(part, whole map[string]string) bool {
	for k, v := range part {
		if have, ok := whole[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// same reports whether two grants say the same, but for their ids and times.
func (g *grant) same(h *grant) bool {
	return g.Name == h.Name && g.Grantee == h.Grantee && g.Retiree == h.Retiree && g.GranteeName == h.GranteeName &&
		g.RetireeName == h.RetireeName && g.SourceARN == h.SourceARN && slices.Equal(g.Operations, h.Operations) &&
		maps.Equal(g.Equals, h.Equals) && maps.Equal(g.Subset, h.Subset)
}

// retires reports whether the grant names a principal as the one to retire it.
func (g *grant) retires(who, name string) bool {
	return (who != "" && g.Retiree == who) || (name != "" && g.RetireeName == name)
}

// entry is the API's form.
func (g *grant) entry() api.GrantListEntry {
	out := api.GrantListEntry{
		KeyId: &g.KeyARN, GrantId: &g.ID, CreationDate: &g.Created, IssuingAccount: new("arn:aws:iam::" + g.Issuer + ":root"),
		Operations: g.Operations, Name: text(g.Name), GranteePrincipal: text(g.Grantee), RetiringPrincipal: text(g.Retiree),
		GranteeServicePrincipal: text(g.GranteeName), RetiringServicePrincipal: text(g.RetireeName),
	}
	if g.Equals != nil || g.Subset != nil || g.SourceARN != "" {
		out.Constraints = &api.GrantConstraints{EncryptionContextEquals: g.Equals, EncryptionContextSubset: g.Subset, SourceArn: text(g.SourceARN)}
	}
	return out
}

// text is s, or nil where it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// grantable are the operations that a grant may name, by a key's usage.
func grantable(usage string, symmetric bool) []string {
	out := []string{api.GrantOperationCreateGrant, api.GrantOperationRetireGrant, api.GrantOperationDescribeKey}
	if !symmetric && usage != api.KeyUsageTypeGenerateVerifyMac {
		out = append(out, api.GrantOperationGetPublicKey)
	}
	switch usage {
	case api.KeyUsageTypeEncryptDecrypt:
		out = append(out, api.GrantOperationEncrypt, api.GrantOperationDecrypt, api.GrantOperationReEncryptFrom, api.GrantOperationReEncryptTo)
		if symmetric {
			out = append(out, api.GrantOperationGenerateDataKey, api.GrantOperationGenerateDataKeyWithoutPlaintext,
				api.GrantOperationGenerateDataKeyPair, api.GrantOperationGenerateDataKeyPairWithoutPlaintext)
		}
	case api.KeyUsageTypeSignVerify:
		out = append(out, api.GrantOperationSign, api.GrantOperationVerify)
	case api.KeyUsageTypeGenerateVerifyMac:
		out = append(out, api.GrantOperationGenerateMac, api.GrantOperationVerifyMac)
	case api.KeyUsageTypeKeyAgreement:
		out = append(out, api.GrantOperationDeriveSharedSecret)
	}
	return out
}

// checkPrincipal refuses what no policy could name.
func checkPrincipal(who string) error {
	if who == "" {
		return nil
	}
	a, err := arn.Parse(who)
	kind, _, _ := strings.Cut(a.Resource, "/")
	named := a.Service == "iam" && (kind == "user" || kind == "role" || a.Resource == "root") ||
		a.Service == "sts" && (kind == "assumed-role" || kind == "federated-user")
	if err != nil || !named || len(a.Account) != 12 || strings.ContainsAny(who, "*?") {
		return api.ErrInvalidArnException("ARN does not refer to a valid principal: %s", who)
	}
	return nil
}
