package sts

import (
	api "moln.dev/moln/api/sts"
	"moln.dev/moln/platform/service"
)

var table = service.Table[*Service]{
	service.Partial(api.AssumeRole, (*Service).assumeRole, "MFA codes, trusted contexts and transitive tags are refused"),
	service.Partial(api.AssumeRoleWithWebIdentity, (*Service).assumeRoleWithWebIdentity, "tokens of identity pools; outside OpenID Connect providers are refused"),
	service.Full(api.GetCallerIdentity, (*Service).getCallerIdentity),
	service.Full(api.GetAccessKeyInfo, (*Service).getAccessKeyInfo),
	service.Partial(api.GetSessionToken, (*Service).getSessionToken, "MFA codes are refused; the credentials may call IAM and STS as their user does"),
	service.None[*Service]("there are no SAML providers yet", api.AssumeRoleWithSAML),
	service.None[*Service]("there are no organizations", api.AssumeRoot),
	service.None[*Service]("denials are explained by `moln why` instead of an encoded message", api.DecodeAuthorizationMessage),
	service.None[*Service]("federated users are not there yet", api.GetFederationToken),
	service.None[*Service]("outbound federation is not there", api.GetWebIdentityToken, api.GetDelegatedAccessToken),
}
