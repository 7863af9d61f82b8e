package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const (
	tokenUser    = "AWS"
	tokenPurpose = "ecr/authorization"
	tokenLife    = 12 * time.Hour
)

// token is what an authorization token carries, sealed: who got it, where.
type token struct {
	Caller  identity.Principal `json:"caller"`
	Account string             `json:"account"`
	Region  string             `json:"region"`
	Expires int64              `json:"expires"` // seconds since 1970
}

func (s *Service) getAuthorizationToken(_ context.Context, c *service.Call, in *api.GetAuthorizationTokenInput) (*api.GetAuthorizationTokenOutput, error) {
	registries := in.RegistryIds
	if len(registries) == 0 {
		registries = []string{c.Account}
	}
	expires := c.Now.Add(tokenLife)
	out := &api.GetAuthorizationTokenOutput{}
	for _, account := range registries {
		raw, err := json.Marshal(token{c.Caller, account, c.Region, expires.Unix()})
		if err != nil {
			return nil, err
		}
		text := base64.StdEncoding.EncodeToString([]byte(tokenUser + ":" + s.deps.Seal.SealToken(tokenPurpose, raw)))
		host := s.host(c, place{account, c.Region})
		proxy := "https://" + host
		if s.deps.Site.Endpoint != "" && "https://"+host != s.deps.Site.Endpoint && "http://"+host == s.deps.Site.Endpoint {
			proxy = s.deps.Site.Endpoint
		}
		out.AuthorizationData = append(out.AuthorizationData, api.AuthorizationData{AuthorizationToken: &text, ExpiresAt: &expires, ProxyEndpoint: &proxy})
	}
	return out, nil
}

// authenticate makes the holder of a request's token the caller. It says
// whether there was a good one.
func (s *Service) authenticate(r *http.Request, c *service.Call) bool {
	user, password, ok := r.BasicAuth()
	if !ok || user != tokenUser {
		return false
	}
	raw, err := s.deps.Seal.OpenToken(tokenPurpose, password)
	var t token
	if err != nil || json.Unmarshal(raw, &t) != nil || c.Now.Unix() >= t.Expires {
		return false
	}
	c.Caller, c.Account, c.Region = t.Caller, t.Account, t.Region
	return true
}
