package sqs

import (
	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/platform/service"
)

var table = service.Table[*Service]{
	service.Full(api.AddPermission, (*Service).addPermission),
	service.Full(api.CancelMessageMoveTask, (*Service).cancelMessageMoveTask),
	service.Full(api.ChangeMessageVisibility, (*Service).changeMessageVisibility),
	service.Full(api.ChangeMessageVisibilityBatch, (*Service).changeMessageVisibilityBatch),
	service.Partial(api.CreateQueue, (*Service).createQueue, "rates are not limited, so FifoThroughputLimit holds nobody back"),
	service.Full(api.DeleteMessage, (*Service).deleteMessage),
	service.Full(api.DeleteMessageBatch, (*Service).deleteMessageBatch),
	service.Full(api.DeleteQueue, (*Service).deleteQueue),
	service.Full(api.GetQueueAttributes, (*Service).getQueueAttributes),
	service.Full(api.GetQueueUrl, (*Service).getQueueURL),
	service.Full(api.ListDeadLetterSourceQueues, (*Service).listDeadLetterSourceQueues),
	service.Full(api.ListMessageMoveTasks, (*Service).listMessageMoveTasks),
	service.Full(api.ListQueueTags, (*Service).listQueueTags),
	service.Full(api.ListQueues, (*Service).listQueues),
	service.Full(api.PurgeQueue, (*Service).purgeQueue),
	service.Partial(api.ReceiveMessage, (*Service).receiveMessage, "messages of standard queues come in the order of time, whatever their groups: a group that sends much is not held back for the others"),
	service.Full(api.RemovePermission, (*Service).removePermission),
	service.Full(api.SendMessage, (*Service).sendMessage),
	service.Full(api.SendMessageBatch, (*Service).sendMessageBatch),
	service.Partial(api.SetQueueAttributes, (*Service).setQueueAttributes, "rates are not limited, so FifoThroughputLimit holds nobody back"),
	service.Full(api.TagQueue, (*Service).tagQueue),
	service.Full(api.UntagQueue, (*Service).untagQueue),
	service.Full(api.StartMessageMoveTask, (*Service).startMessageMoveTask),
}
