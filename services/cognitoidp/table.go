package cognitoidp

import (
	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/platform/service"
)

// Why what does not exist does not.
const (
	noMFA        = "there is no multi-factor authentication"
	noDevices    = "there are no remembered devices"
	noPasskeys   = "there are no passkeys"
	noFederation = "there are no external identity providers"
	noHosted     = "there are no hosted pages or OAuth 2 endpoints"
	noRisk       = "there is no threat protection"
	noImport     = "there is no import of users"
	noSessions   = "there are no session lists"
	noReplicas   = "there are no replicas of pools"
	noLogs       = "there is no log delivery"

	partSMS   = "e-mail only: no text messages"
	partFlows = "USER_SRP_AUTH, USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH and REFRESH_TOKEN_AUTH; no USER_AUTH, CUSTOM_AUTH"
	partPool  = "MFA, text messages, devices, advanced security, customer managed keys, password history and triggers other than " +
		"PreSignUp, PostConfirmation, PreAuthentication, PostAuthentication and PreTokenGeneration V1_0 are refused; SMS texts are kept and never sent"
	partClient = "OAuth settings, external providers, analytics, refresh token rotation, USER_AUTH are refused; ALLOW_CUSTOM_AUTH is kept, the flow is refused"
)

// table lists every operation once.
func table() service.Table[*Service] {
	return append(append(poolTable(), userTable()...), absentTable()...)
}

func poolTable() service.Table[*Service] {
	return service.Table[*Service]{
		service.Partial(api.CreateUserPool, (*Service).createUserPool, partPool),
		service.Full(api.DescribeUserPool, (*Service).describeUserPool),
		service.Partial(api.UpdateUserPool, (*Service).updateUserPool, partPool),
		service.Full(api.DeleteUserPool, (*Service).deleteUserPool),
		service.Full(api.ListUserPools, (*Service).listUserPools),
		service.Full(api.AddCustomAttributes, (*Service).addCustomAttributes),
		service.Full(api.GetUserPoolMfaConfig, (*Service).getUserPoolMfaConfig),
		service.Partial(api.SetUserPoolMfaConfig, (*Service).setUserPoolMfaConfig, "only OFF: "+noMFA),
		service.Partial(api.CreateUserPoolClient, (*Service).createUserPoolClient, partClient),
		service.Full(api.DescribeUserPoolClient, (*Service).describeUserPoolClient),
		service.Partial(api.UpdateUserPoolClient, (*Service).updateUserPoolClient, partClient),
		service.Full(api.DeleteUserPoolClient, (*Service).deleteUserPoolClient),
		service.Partial(api.ListUserPoolClients, (*Service).listUserPoolClients, "ClientType is refused"),
		service.Full(api.TagResource, (*Service).tagResource),
		service.Full(api.UntagResource, (*Service).untagResource),
		service.Full(api.ListTagsForResource, (*Service).listTagsForResource),
		service.Full(api.CreateGroup, (*Service).createGroup),
		service.Full(api.GetGroup, (*Service).getGroup),
		service.Full(api.UpdateGroup, (*Service).updateGroup),
		service.Full(api.DeleteGroup, (*Service).deleteGroup),
		service.Full(api.ListGroups, (*Service).listGroups),
		service.Full(api.ListUsersInGroup, (*Service).listUsersInGroup),
		service.Full(api.AdminAddUserToGroup, (*Service).adminAddUserToGroup),
		service.Full(api.AdminRemoveUserFromGroup, (*Service).adminRemoveUserFromGroup),
		service.Full(api.AdminListGroupsForUser, (*Service).adminListGroupsForUser),
	}
}

func userTable() service.Table[*Service] {
	return service.Table[*Service]{
		service.Partial(api.SignUp, (*Service).signUp, "a password is required; "+partSMS),
		service.Partial(api.ConfirmSignUp, (*Service).confirmSignUp, "no Session to sign in with at once"),
		service.Partial(api.ResendConfirmationCode, (*Service).resendConfirmationCode, partSMS),
		service.Partial(api.ForgotPassword, (*Service).forgotPassword, partSMS),
		service.Full(api.ConfirmForgotPassword, (*Service).confirmForgotPassword),
		service.Full(api.ChangePassword, (*Service).changePassword),
		service.Partial(api.InitiateAuth, (*Service).initiateAuth, partFlows),
		service.Partial(api.RespondToAuthChallenge, (*Service).respondToAuthChallenge, "PASSWORD_VERIFIER and NEW_PASSWORD_REQUIRED only"),
		service.Partial(api.AdminInitiateAuth, (*Service).adminInitiateAuth, partFlows),
		service.Partial(api.AdminRespondToAuthChallenge, (*Service).adminRespondToAuthChallenge, "PASSWORD_VERIFIER and NEW_PASSWORD_REQUIRED only"),
		service.Partial(api.RevokeToken, (*Service).revokeToken, "RevokeAssociatedSessions is refused"),
		service.Full(api.GlobalSignOut, (*Service).globalSignOut),
		service.Full(api.GetUser, (*Service).getUserSelf),
		service.Partial(api.UpdateUserAttributes, (*Service).updateUserAttributes, partSMS),
		service.Full(api.DeleteUserAttributes, (*Service).deleteUserAttributes),
		service.Full(api.DeleteUser, (*Service).deleteUserSelf),
		service.Partial(api.GetUserAttributeVerificationCode, (*Service).getUserAttributeVerificationCode, partSMS),
		service.Partial(api.VerifyUserAttribute, (*Service).verifyUserAttribute, partSMS),
		service.Partial(api.AdminCreateUser, (*Service).adminCreateUser, partSMS),
		service.Full(api.AdminGetUser, (*Service).adminGetUser),
		service.Partial(api.AdminUpdateUserAttributes, (*Service).adminUpdateUserAttributes, partSMS),
		service.Full(api.AdminDeleteUserAttributes, (*Service).adminDeleteUserAttributes),
		service.Full(api.AdminDeleteUser, (*Service).adminDeleteUser),
		service.Full(api.AdminEnableUser, (*Service).adminEnableUser),
		service.Full(api.AdminDisableUser, (*Service).adminDisableUser),
		service.Full(api.AdminConfirmSignUp, (*Service).adminConfirmSignUp),
		service.Partial(api.AdminResetUserPassword, (*Service).adminResetUserPassword, partSMS),
		service.Full(api.AdminSetUserPassword, (*Service).adminSetUserPassword),
		service.Full(api.AdminUserGlobalSignOut, (*Service).adminUserGlobalSignOut),
		service.Full(api.ListUsers, (*Service).listUsers),
	}
}

func absentTable() service.Table[*Service] {
	return service.Table[*Service]{
		service.None[*Service]("client secrets are not rotated",
			api.AddUserPoolClientSecret, api.DeleteUserPoolClientSecret, api.ListUserPoolClientSecrets,
		),
		service.None[*Service](noMFA,
			api.AdminDeleteSoftwareToken, api.AdminSetUserMFAPreference, api.AdminSetUserSettings, api.AssociateSoftwareToken,
			api.SetUserMFAPreference, api.SetUserSettings, api.VerifySoftwareToken,
		),
		service.None[*Service](noFederation,
			api.AdminDisableProviderForUser, api.AdminLinkProviderForUser, api.CreateIdentityProvider, api.DeleteIdentityProvider,
			api.DescribeIdentityProvider, api.GetIdentityProviderByIdentifier, api.GetSigningCertificate, api.ListIdentityProviders,
			api.UpdateIdentityProvider,
		),
		service.None[*Service](noDevices,
			api.AdminForgetDevice, api.AdminGetDevice, api.AdminListDevices, api.AdminUpdateDeviceStatus, api.ConfirmDevice,
			api.ForgetDevice, api.GetDevice, api.ListDevices, api.UpdateDeviceStatus,
		),
		service.None[*Service](noPasskeys,
			api.AdminGetUserAuthFactors, api.CompleteWebAuthnRegistration, api.DeleteWebAuthnCredential, api.GetUserAuthFactors,
			api.ListWebAuthnCredentials, api.StartWebAuthnRegistration,
		),
		service.None[*Service](noRisk,
			api.AdminListUserAuthEvents, api.AdminUpdateAuthEventFeedback, api.DescribeRiskConfiguration, api.SetRiskConfiguration,
			api.UpdateAuthEventFeedback,
		),
		service.None[*Service](noSessions,
			api.AdminListUserSessions, api.AdminRevokeUserSession, api.GetUserPoolClientSessionConfiguration,
			api.GetUserPoolSessionConfiguration, api.ListUserSessions, api.RevokeUserSession, api.SetUserPoolClientSessionConfiguration,
			api.SetUserPoolSessionConfiguration,
		),
		service.None[*Service](noHosted,
			api.CreateManagedLoginBranding, api.CreateResourceServer, api.CreateTerms, api.CreateUserPoolDomain,
			api.DeleteManagedLoginBranding, api.DeleteResourceServer, api.DeleteTerms, api.DeleteUserPoolDomain,
			api.DescribeManagedLoginBranding, api.DescribeManagedLoginBrandingByClient, api.DescribeResourceServer, api.DescribeTerms,
			api.DescribeTermsByClient, api.DescribeUserPoolDomain, api.GetClientToken, api.GetDerivedToken, api.GetUICustomization,
			api.ListResourceServers, api.ListTerms, api.SetUICustomization, api.UpdateManagedLoginBranding, api.UpdateResourceServer,
			api.UpdateTerms, api.UpdateUserPoolDomain,
		),
		service.None[*Service](noImport,
			api.CreateUserImportJob, api.DescribeUserImportJob, api.GetCSVHeader, api.ListUserImportJobs, api.StartUserImportJob,
			api.StopUserImportJob,
		),
		service.None[*Service](noReplicas,
			api.CreateUserPoolReplica, api.DeleteUserPoolReplica, api.ListUserPoolReplicas, api.UpdateUserPoolReplica,
		),
		service.None[*Service](noLogs,
			api.GetLogDeliveryConfiguration, api.SetLogDeliveryConfiguration,
		),
		service.None[*Service]("there are no provisioned limits",
			api.GetProvisionedLimit, api.UpdateProvisionedLimit,
		),
		service.None[*Service]("there is no refresh token rotation",
			api.GetTokensFromRefreshToken,
		),
	}
}
