package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

var _ service.RequestAuthenticator = (*Gateway)(nil)

// AuthenticateRequest implements service.RequestAuthenticator: a request to a
// data plane that is signed as one to an API would be, over its whole body.
func (g *Gateway) AuthenticateRequest(ctx context.Context, c *service.Call, s service.SignedRequest) (identity.Principal, error) {
	none := identity.Anonymous()
	t := g.targetOfSigning(s.Service)
	if t == nil {
		return none, fault.New("InvalidSignatureException", http.StatusForbidden, "No service is signed for as %s.", s.Service)
	}
	x := &exchange{target: t, call: c, r: c.HTTP.Request}
	signed, err := sigv4.Parse(x.r)
	if err != nil {
		return none, g.signatureFault(x, err)
	}
	x.signed = signed
	cred, err := g.cfg.Directory.Credential(ctx, signed.AccessKeyID, signed.SessionToken)
	if err == nil && cred.Inactive {
		err = identity.ErrUnknownKey
	}
	if err != nil {
		return none, g.credentialFault(x, err)
	}
	if signed.Service != s.Service || signed.Region != s.Region {
		return none, fault.New("InvalidSignatureException", http.StatusForbidden, "Credential should be scoped to a valid region and to service '%s'.", s.Service)
	}
	sum := sha256.Sum256(s.Body)
	if err := signed.Verify(x.r, cred.Secret, hex.EncodeToString(sum[:]), sigv4.Options{Now: g.cfg.Wall.Now(), Keys: g.keys}); err != nil {
		return none, g.signatureFault(x, err)
	}
	p := cred.Principal
	p.AccessKeyID = signed.AccessKeyID
	return p, nil
}
