package cognitoidentity

import (
	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/platform/service"
)

const (
	partPool   = "user pools are the only login providers: others are refused"
	partLogins = "logins of user pools only"
)

// table lists every operation once.
func table() service.Table[*Service] {
	return service.Table[*Service]{
		service.Partial(api.CreateIdentityPool, (*Service).createIdentityPool, partPool),
		service.Full(api.DescribeIdentityPool, (*Service).describeIdentityPool),
		service.Partial(api.UpdateIdentityPool, (*Service).updateIdentityPool, partPool),
		service.Full(api.DeleteIdentityPool, (*Service).deleteIdentityPool),
		service.Full(api.ListIdentityPools, (*Service).listIdentityPools),
		service.Full(api.SetIdentityPoolRoles, (*Service).setIdentityPoolRoles),
		service.Full(api.GetIdentityPoolRoles, (*Service).getIdentityPoolRoles),
		service.Partial(api.GetId, (*Service).getID, partLogins),
		service.Partial(api.GetCredentialsForIdentity, (*Service).getCredentialsForIdentity, partLogins+"; no principal tags"),
		service.Partial(api.GetOpenIdToken, (*Service).getOpenIDToken, partLogins+"; no principal tags"),
		service.Full(api.DescribeIdentity, (*Service).describeIdentity),
		service.Full(api.ListIdentities, (*Service).listIdentities),
		service.Full(api.DeleteIdentities, (*Service).deleteIdentities),
		service.Partial(api.UnlinkIdentity, (*Service).unlinkIdentity, partLogins),
		service.Full(api.TagResource, (*Service).tagResource),
		service.Full(api.UntagResource, (*Service).untagResource),
		service.Full(api.ListTagsForResource, (*Service).listTagsForResource),
		service.None[*Service]("there are no developer identities",
			api.GetOpenIdTokenForDeveloperIdentity, api.LookupDeveloperIdentity, api.MergeDeveloperIdentities, api.UnlinkDeveloperIdentity),
		service.None[*Service]("there are no principal tags", api.GetPrincipalTagAttributeMap, api.SetPrincipalTagAttributeMap),
	}
}
