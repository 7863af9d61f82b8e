package server

import (
	"context"
	"crypto/subtle"
	"errors"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
)

// directory finds credentials: the root key from the configuration, temporary
// keys from sts, long-term ones from iam.
type directory struct {
	rootKey, rootSecret, account string
	keys                         []identity.Keys
	policies                     interface {
		Policies(ctx context.Context, p identity.Principal) (identity.Policies, error)
	}
}

// Credential implements identity.Directory.
func (d *directory) Credential(ctx context.Context, accessKeyID, token string) (identity.Credential, error) {
	if d.rootKey != "" && subtle.ConstantTimeCompare([]byte(accessKeyID), []byte(d.rootKey)) == 1 {
		return identity.Credential{Secret: d.rootSecret, Principal: rootPrincipal(d.account)}, nil
	}
	for _, k := range d.keys {
		c, err := k.Credential(ctx, accessKeyID, token)
		if errors.Is(err, identity.ErrUnknownKey) {
			continue
		}
		return c, err
	}
	return identity.Credential{}, identity.ErrUnknownKey
}

// Policies implements identity.Directory.
func (d *directory) Policies(ctx context.Context, p identity.Principal) (identity.Policies, error) {
	return d.policies.Policies(ctx, p)
}

func rootPrincipal(account string) identity.Principal {
	root := arn.ARN{Partition: "aws", Service: "iam", Account: account, Resource: "root"}
	return identity.Principal{Principal: policy.Principal{
		Kind: policy.Root, ARN: root.String(), AccountID: account, UserID: account,
	}}
}
