package cognitoidp

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

// keyPath is the path of a pool's public documents, on whatever host.
var keyPath = regexp.MustCompile(`^/([a-z]{2}(?:-[a-z]+)+-\d_[A-Za-z0-9]+)/\.well-known/(jwks\.json|openid-configuration)$`)

// keysMaxAge is how long clients may keep a pool's keys, which never change.
const keysMaxAge = "public, max-age=86400"

// keyEndpoint serves the key set and the discovery document of every pool.
func (s *Service) keyEndpoint() service.Endpoint {
	return service.Endpoint{
		Name: "cognitoidp/keys",
		Match: func(r *http.Request, _ string) bool {
			return strings.Contains(r.URL.Path, "/.well-known/") && keyPath.MatchString(r.URL.Path)
		},
		Serve: s.serveKeys,
	}
}

func (s *Service) serveKeys(w http.ResponseWriter, r *http.Request, c *service.Call) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
		w.Header().Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	m := keyPath.FindStringSubmatch(r.URL.Path)
	p, err := s.placeOf(r.Context(), poolRefKey(m[1]))
	if err == nil && p == nil {
		answerJSON(w, http.StatusNotFound, map[string]string{"message": errNoPool(m[1]).Error()})
		return
	}
	var keys *keySet
	if err == nil {
		keys, err = s.keysOf(r.Context(), *p)
	}
	if err != nil {
		c.Log.Error("cognito keys", "pool", m[1], "err", err)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", keysMaxAge)
	if m[2] == "jwks.json" {
		answerJSON(w, http.StatusOK, map[string]any{"keys": []tokens.JWK{
			tokens.NewJWK(tokens.RS256, keys.idKid, &keys.id.PublicKey),
			tokens.NewJWK(tokens.RS256, keys.accessKid, &keys.access.PublicKey),
		}})
		return
	}
	answerJSON(w, http.StatusOK, discovery(*p))
}

// discovery describes the pool. Without hosted pages there are no endpoints for
// authorization to name.
func discovery(p place) map[string]any {
	return map[string]any{
		"issuer":                                p.issuer(),
		"jwks_uri":                              p.issuer() + "/.well-known/jwks.json",
		"id_token_signing_alg_values_supported": []string{string(tokens.RS256)},
		"response_types_supported":              []string{"code", "token"},
		"scopes_supported":                      []string{"openid", "email", "phone", "profile"},
		"subject_types_supported":               []string{"public"},
	}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}
