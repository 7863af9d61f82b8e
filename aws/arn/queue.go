package arn

// QueueURL is the URL by which SQS's API names the queue of an ARN.
//
// Source: SQS developer guide, sqs-queue-message-identifiers.
func (a ARN) QueueURL() string {
	return "https://sqs." + a.Region + ".amazonaws.com/" + a.Account + "/" + a.Resource
}
