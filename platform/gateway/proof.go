package gateway

import (
	"context"
	"net/http"
	"slices"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

var _ service.Authenticator = (*Gateway)(nil)

// Authenticate implements service.Authenticator: the signature over a form's policy
// proves who sends it as a signed request would.
func (g *Gateway) Authenticate(ctx context.Context, c *service.Call, p service.Proof) error {
	signed := &sigv4.Signed{AccessKeyID: p.AccessKeyID, SessionToken: p.Token, Date: p.Date, Region: p.Region, Service: p.Service}
	x := &exchange{target: g.targetOfSigning(p.Service), call: c, r: c.HTTP.Request, signed: signed}
	if x.target == nil || !plausibleRegion(p.Region) {
		return fault.New("InvalidArgument", http.StatusBadRequest, "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	cred, err := g.cfg.Directory.Credential(ctx, p.AccessKeyID, p.Token)
	if err == nil && cred.Inactive {
		err = identity.ErrUnknownKey
	}
	if err != nil {
		return g.credentialFault(x, err)
	}
	text := sigv4.Text{Date: p.Date, Region: p.Region, Service: p.Service, Text: p.Text, Signature: p.Signature}
	if err := text.Verify(cred.Secret, g.keys); err != nil {
		return badProof(p, g.signatureFault(x, err))
	}
	if !g.cfg.Wall.Now().Before(p.Expires) {
		return p.Expired
	}
	g.setCaller(x, cred.Principal, signed)
	return nil
}

// badProof tells who sent a form what his signature should have been made of.
func badProof(p service.Proof, err error) error {
	f := fault.As(err)
	if f == nil || f.Code != "SignatureDoesNotMatch" {
		return err
	}
	return f.WithBody(map[string]string{
		"AWSAccessKeyId": p.AccessKeyID, "SignatureProvided": p.Signature, "StringToSign": p.Text, "StringToSignBytes": hexBytes(p.Text),
	})
}

func (g *Gateway) targetOfSigning(name string) *target {
	ts := g.bySigning[name]
	switch {
	case len(ts) == 0:
		return nil
	case slices.Contains(ts, g.s3):
		return g.s3
	}
	return ts[0]
}
