package events

import (
	api "moln.dev/moln/api/events"
	"moln.dev/moln/platform/service"
)

const targetKinds = "targets are functions, queues, topics, event buses and log groups; other kinds are refused, and so is another input for a bus; a rule writes into one stream a day"

var table = service.Table[*Service]{
	service.Full(api.CancelReplay, (*Service).cancelReplay),
	service.Partial(api.CreateArchive, (*Service).createArchive, "keys of KMS are refused; an archive has no rule of its own that is listed"),
	service.Partial(api.CreateEventBus, (*Service).createEventBus, "keys of KMS, logs and partner buses are refused; nothing comes to the dead-letter queue of a bus, which takes what cannot be decrypted"),
	service.Full(api.DeleteArchive, (*Service).deleteArchive),
	service.Full(api.DeleteEventBus, (*Service).deleteEventBus),
	service.Full(api.DeleteRule, (*Service).deleteRule),
	service.Full(api.DescribeArchive, (*Service).describeArchive),
	service.Full(api.DescribeEventBus, (*Service).describeEventBus),
	service.Full(api.DescribeReplay, (*Service).describeReplay),
	service.Full(api.DescribeRule, (*Service).describeRule),
	service.Full(api.DisableRule, (*Service).disableRule),
	service.Full(api.EnableRule, (*Service).enableRule),
	service.Full(api.ListArchives, (*Service).listArchives),
	service.Full(api.ListEventBuses, (*Service).listEventBuses),
	service.Full(api.ListReplays, (*Service).listReplays),
	service.Full(api.ListRuleNamesByTarget, (*Service).listRuleNamesByTarget),
	service.Full(api.ListRules, (*Service).listRules),
	service.Full(api.ListTagsForResource, (*Service).listTagsForResource),
	service.Full(api.ListTargetsByRule, (*Service).listTargetsByRule),
	service.Partial(api.PutEvents, (*Service).putEvents, "global endpoints are refused"),
	service.Full(api.PutPermission, (*Service).putPermission),
	service.Partial(api.PutRule, (*Service).putRule, "there are no events of CloudTrail"),
	service.Partial(api.PutTargets, (*Service).putTargets, targetKinds),
	service.Full(api.RemovePermission, (*Service).removePermission),
	service.Full(api.RemoveTargets, (*Service).removeTargets),
	service.Full(api.StartReplay, (*Service).startReplay),
	service.Full(api.TagResource, (*Service).tagResource),
	service.Full(api.TestEventPattern, (*Service).testEventPattern),
	service.Full(api.UntagResource, (*Service).untagResource),
	service.Partial(api.UpdateArchive, (*Service).updateArchive, "keys of KMS are refused"),
	service.Partial(api.UpdateEventBus, (*Service).updateEventBus, "as CreateEventBus"),
	service.None[*Service]("there are no API destinations",
		api.CreateApiDestination, api.CreateConnection, api.DeauthorizeConnection, api.DeleteApiDestination, api.DeleteConnection, api.DescribeApiDestination,
		api.DescribeConnection, api.ListApiDestinations, api.ListConnections, api.UpdateApiDestination, api.UpdateConnection),
	service.None[*Service]("there are no global endpoints",
		api.CreateEndpoint, api.DeleteEndpoint, api.DescribeEndpoint, api.ListEndpoints, api.UpdateEndpoint),
	service.None[*Service]("there are no partners",
		api.ActivateEventSource, api.CreatePartnerEventSource, api.DeactivateEventSource, api.DeletePartnerEventSource, api.DescribeEventSource,
		api.DescribePartnerEventSource, api.ListEventSources, api.ListPartnerEventSourceAccounts, api.ListPartnerEventSources, api.PutPartnerEvents),
}
