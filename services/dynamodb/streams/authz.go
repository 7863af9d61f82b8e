package streams

import (
	"context"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize judges a request on the stream that it is about. Listing is about
// all streams, or about those of one table.
func (s *Service) authorize(_ context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	resource := "*"
	switch in := in.(type) {
	case *api.DescribeStreamInput:
		resource = *in.StreamArn
	case *api.GetShardIteratorInput:
		resource = *in.StreamArn
	case *api.GetRecordsInput:
		it, err := readIterator(*in.ShardIterator)
		if err != nil {
			return nil, err // it leads nowhere
		}
		resource = it.Stream
	case *api.ListStreamsInput:
		if in.TableName != nil {
			resource = arn.ARN{Partition: "aws", Service: "dynamodb", Region: c.Region, Account: c.Account, Resource: "table/" + *in.TableName + "/stream/*"}.String()
		}
	}
	owner := ""
	if resource != "*" {
		a, _, _, err := parseARN(resource)
		if err != nil {
			return nil, err // and so does this
		}
		if a.Account != c.Account {
			owner = a.Account
		}
	}
	return []service.Check{{Action: "dynamodb:" + op.Name, Resource: resource, Account: owner}}, nil
}
