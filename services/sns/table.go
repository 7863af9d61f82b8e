package sns

import (
	api "moln.dev/moln/api/sns"
	"moln.dev/moln/platform/service"
)

var table = service.Table[*Service]{
	service.Full(api.AddPermission, (*Service).addPermission),
	service.Full(api.ConfirmSubscription, (*Service).confirmSubscription),
	service.Partial(api.CreateTopic, (*Service).createTopic, "message archiving, X-Ray, delivery status logging and data protection policies are refused"),
	service.Full(api.DeleteTopic, (*Service).deleteTopic),
	service.Full(api.GetSubscriptionAttributes, (*Service).getSubscriptionAttributes),
	service.Full(api.GetTopicAttributes, (*Service).getTopicAttributes),
	service.Full(api.ListSubscriptions, (*Service).listSubscriptions),
	service.Full(api.ListSubscriptionsByTopic, (*Service).listSubscriptionsByTopic),
	service.Full(api.ListTagsForResource, (*Service).listTagsForResource),
	service.Full(api.ListTopics, (*Service).listTopics),
	service.Partial(api.Publish, (*Service).publish, "topics only: phones and mobile applications are refused; with a KmsMasterKeyId, KMS is asked for the publisher at each message, and messages wait sealed under moln's own key"),
	service.Partial(api.PublishBatch, (*Service).publishBatch, "as Publish"),
	service.Full(api.RemovePermission, (*Service).removePermission),
	service.Partial(api.SetSubscriptionAttributes, (*Service).setSubscriptionAttributes, "replay policies are refused"),
	service.Partial(api.SetTopicAttributes, (*Service).setTopicAttributes, "message archiving, X-Ray and delivery status logging are refused"),
	service.Partial(api.Subscribe, (*Service).subscribe, "the protocols sms, application and firehose are refused; HTTP(S) endpoints are reached as the operator allows (--outbound), with basic authentication only; a standard topic has 10,000 subscriptions at most"),
	service.Full(api.TagResource, (*Service).tagResource),
	service.Full(api.Unsubscribe, (*Service).unsubscribe),
	service.Full(api.UntagResource, (*Service).untagResource),
	service.None[*Service]("there are no data protection policies", api.GetDataProtectionPolicy, api.PutDataProtectionPolicy),
	service.None[*Service]("moln sends no messages to mobile applications",
		api.CreatePlatformApplication, api.CreatePlatformEndpoint, api.DeleteEndpoint, api.DeletePlatformApplication, api.GetEndpointAttributes,
		api.GetPlatformApplicationAttributes, api.ListEndpointsByPlatformApplication, api.ListPlatformApplications, api.SetEndpointAttributes,
		api.SetPlatformApplicationAttributes,
	),
	service.None[*Service]("moln sends no text messages",
		api.CheckIfPhoneNumberIsOptedOut, api.CreateSMSSandboxPhoneNumber, api.DeleteSMSSandboxPhoneNumber, api.GetSMSAttributes,
		api.GetSMSSandboxAccountStatus, api.ListOriginationNumbers, api.ListPhoneNumbersOptedOut, api.ListSMSSandboxPhoneNumbers,
		api.OptInPhoneNumber, api.SetSMSAttributes, api.VerifySMSSandboxPhoneNumber,
	),
}
