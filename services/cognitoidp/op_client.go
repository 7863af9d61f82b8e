package cognitoidp

import (
	"context"
	"encoding/json"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

func (s *Service) createUserPoolClient(ctx context.Context, c *service.Call, in *api.CreateUserPoolClientInput) (*api.CreateUserPoolClientOutput, error) {
	p := signed(c, in.UserPoolId)
	up, err := s.loadPool(s.reader(ctx), p)
	if err != nil {
		return nil, err
	}
	cl := settings.NewClient(in)
	cl.Settings.ClientId = ptr(s.d.Ident.Lower(clientIDCharacters))
	cl.Settings.CreationDate = ptr(c.Now)
	if err := cl.Configure(up, c.Now); err != nil {
		return nil, err
	}
	secret := smithy.Val(in.ClientSecret)
	if smithy.Val(in.GenerateSecret) && secret == "" {
		secret = s.d.Ident.Lower(clientSecretCharacters)
	}
	if secret != "" {
		cl.Secret = s.d.Seal.Seal(purposeClientSecret(cl.ID()), []byte(secret))
	}
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.loadPool(txReader{tx}, p); err != nil {
			return err
		}
		if err := put(tx, clientRefKey(cl.ID()), p); err != nil {
			return err
		}
		return put(tx, p.key(kindClient, cl.ID()), cl)
	})
	if err != nil {
		return nil, err
	}
	out, err := s.showClient(cl)
	return &api.CreateUserPoolClientOutput{UserPoolClient: out}, err
}

// showClient is the client as its owner sees it, with its secret.
func (s *Service) showClient(cl *client) (*api.UserPoolClientType, error) {
	out := cl.Settings
	secret, err := s.clientSecret(cl)
	if err != nil {
		return nil, err
	}
	if secret != "" {
		out.ClientSecret = &secret
	}
	return &out, nil
}

func (s *Service) describeUserPoolClient(ctx context.Context, c *service.Call, in *api.DescribeUserPoolClientInput) (*api.DescribeUserPoolClientOutput, error) {
	a, err := s.appAt(ctx, signed(c, in.UserPoolId), smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	out, err := s.showClient(a.client)
	return &api.DescribeUserPoolClientOutput{UserPoolClient: out}, err
}

func (s *Service) updateUserPoolClient(ctx context.Context, c *service.Call, in *api.UpdateUserPoolClientInput) (*api.UpdateUserPoolClientOutput, error) {
	p := signed(c, in.UserPoolId)
	k := p.key(kindClient, smithy.Val(in.ClientId))
	raw, err := json.Marshal(in) // the transaction may run twice
	if err != nil {
		return nil, err
	}
	var next *client
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		up, err := s.loadPool(txReader{tx}, p)
		if err != nil {
			return err
		}
		cl, err := s.loadClient(txReader{tx}, p, smithy.Val(in.ClientId))
		if err != nil {
			return err
		}
		var again api.UpdateUserPoolClientInput
		if err := json.Unmarshal(raw, &again); err != nil {
			return err
		}
		next = cl.Updated(&again)
		if err := next.Configure(up, c.Now); err != nil {
			return err
		}
		return put(tx, k, next)
	}, k)
	if err != nil {
		return nil, err
	}
	out, err := s.showClient(next)
	return &api.UpdateUserPoolClientOutput{UserPoolClient: out}, err
}

func (s *Service) deleteUserPoolClient(ctx context.Context, c *service.Call, in *api.DeleteUserPoolClientInput) (*api.DeleteUserPoolClientOutput, error) {
	p, id := signed(c, in.UserPoolId), smithy.Val(in.ClientId)
	return nil, s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.loadPool(txReader{tx}, p); err != nil {
			return err
		}
		if _, err := s.loadClient(txReader{tx}, p, id); err != nil {
			return err
		}
		if err := tx.Delete(clientRefKey(id)); err != nil {
			return err
		}
		return tx.Delete(p.key(kindClient, id))
	})
}

func (s *Service) listUserPoolClients(ctx context.Context, c *service.Call, in *api.ListUserPoolClientsInput) (*api.ListUserPoolClientsOutput, error) {
	p := signed(c, in.UserPoolId)
	if in.ClientType != nil {
		return nil, settings.Unsupported("ClientType")
	}
	if _, err := s.loadPool(s.reader(ctx), p); err != nil {
		return nil, err
	}
	prefix := p.key(kindClient)
	after, err := s.openPage(in.NextToken, prefix)
	if err != nil {
		return nil, err
	}
	pg := page[api.UserPoolClientDescription]{limit: limitOf(in.MaxResults), items: []api.UserPoolClientDescription{}}
	err = each(ctx, s.d.KV, prefix, after, func(key []byte, cl *client) (bool, error) {
		return pg.add(key, api.UserPoolClientDescription{ClientId: cl.Settings.ClientId, UserPoolId: cl.Settings.UserPoolId, ClientName: cl.Settings.ClientName}), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ListUserPoolClientsOutput{UserPoolClients: pg.items, NextToken: s.pageToken(pg.next)}, nil
}

func limitOf(n *int32) int {
	if smithy.Val(n) == 0 {
		return listDefault
	}
	return int(*n)
}
