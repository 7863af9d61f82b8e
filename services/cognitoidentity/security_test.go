package cognitoidentity

import (
	"testing"

	api "moln.dev/moln/api/cognitoidentity"
)

// TestUnlinkedIdentitiesAreNobodys: who knows the id of an identity whose last
// login was taken away gets neither a guest's credentials for it nor the
// identity itself.
func TestUnlinkedIdentitiesAreNobodys(t *testing.T) {
	h := newHarness(t, true)
	own, other := `{"sub":"u1"}`, `{"sub":"u2"}`
	identity := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool, Logins: logins(own)}).IdentityId
	must(h, api.UnlinkIdentity, &api.UnlinkIdentityInput{IdentityId: identity, Logins: logins(own), LoginsToRemove: []string{provider}})
	forbidden := "Access to Identity '" + *identity + "' is forbidden."
	for name, l := range map[string]map[string]string{"guest": nil, "stranger": logins(other), "the one it was": logins(own)} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: identity, Logins: l}, "NotAuthorizedException", forbidden)
			refused(h, api.GetOpenIdToken, &api.GetOpenIdTokenInput{IdentityId: identity, Logins: l}, "NotAuthorizedException", forbidden)
		})
	}
	h.t = t
	if again := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool, Logins: logins(own)}).IdentityId; *again == *identity {
		t.Error("the login came back to the identity it was taken from")
	}
	if len(h.backend.assumed) != 0 {
		t.Errorf("assumed %v", h.backend.assumed)
	}
}
