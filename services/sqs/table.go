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
	service.Full(api.CreateQueue, (*Service).createQueue),
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
	service.Full(api.ReceiveMessage, (*Service).receiveMessage),
	service.Full(api.RemovePermission, (*Service).removePermission),
	service.Full(api.SendMessage, (*Service).sendMessage),
	service.Full(api.SendMessageBatch, (*Service).sendMessageBatch),
	service.Full(api.SetQueueAttributes, (*Service).setQueueAttributes),
	service.Full(api.TagQueue, (*Service).tagQueue),
	service.Full(api.UntagQueue, (*Service).untagQueue),
	service.Full(api.StartMessageMoveTask, (*Service).startMessageMoveTask),
}
