package esm

import (
	"context"
	"sync"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// dynamoReadable makes sure that c's caller may read a stream, and that it is
// there.
func dynamoReadable(ctx context.Context, c *service.Call, source string) error {
	var checks []service.Check
	for _, a := range []string{"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"} {
		checks = append(checks, service.Check{Action: "dynamodb:" + a, Resource: source})
	}
	if err := c.Judge(ctx, checks...); fault.As(err) != nil {
		return noAccess(source)
	} else if err != nil {
		return err
	}
	_, err := service.Invoke(ctx, c, api.DescribeStream, &api.DescribeStreamInput{StreamArn: &source, Limit: new(int32(1))})
	if fault.As(err) != nil {
		return noStream(source)
	}
	return err
}

// dynamo is a stream of a table, read as a function's role.
type dynamo struct {
	*roleCalls
	arn string

	mu      sync.Mutex
	hashKey string
}

func openDynamo(p *poller) Stream { return &dynamo{roleCalls: p.roleCalls(), arn: p.m.Source} }

// Shards implements Stream.
func (d *dynamo) Shards(ctx context.Context) ([]Shard, error) {
	d.renew()
	c, err := d.call(ctx)
	if err != nil {
		return nil, err
	}
	var out []Shard
	in := &api.DescribeStreamInput{StreamArn: &d.arn}
	for {
		page, err := service.Invoke(ctx, c, api.DescribeStream, in)
		if err != nil {
			return nil, err
		}
		s := page.StreamDescription
		for _, k := range s.KeySchema {
			if smithy.Val(k.KeyType) == api.KeyTypeHash {
				d.mu.Lock()
				d.hashKey = smithy.Val(k.AttributeName)
				d.mu.Unlock()
			}
		}
		for _, sh := range s.Shards {
			out = append(out, Shard{smithy.Val(sh.ShardId), smithy.Val(sh.ParentShardId)})
		}
		if in.ExclusiveStartShardId = s.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return out, nil
		}
	}
}

// Cursor implements Stream.
func (d *dynamo) Cursor(ctx context.Context, shard string, from Position) (string, error) {
	c, err := d.call(ctx)
	if err != nil {
		return "", err
	}
	in := &api.GetShardIteratorInput{StreamArn: &d.arn, ShardId: &shard, ShardIteratorType: new(api.ShardIteratorTypeTrimHorizon)}
	switch {
	case from.After != "":
		in.ShardIteratorType, in.SequenceNumber = new(api.ShardIteratorTypeAfterSequenceNumber), &from.After
	case !from.At.IsZero():
		in.ShardIteratorType, in.Timestamp = new(api.ShardIteratorTypeAtTimestamp), &from.At
	}
	out, err := service.Invoke(ctx, c, api.GetShardIterator, in)
	if err != nil {
		return "", streamError(err)
	}
	return smithy.Val(out.ShardIterator), nil
}

// Read implements Stream.
func (d *dynamo) Read(ctx context.Context, cursor string, limit int) ([]Record, string, error) {
	c, err := d.call(ctx)
	if err != nil {
		return nil, "", err
	}
	out, err := service.Invoke(ctx, c, api.GetRecords, &api.GetRecordsInput{ShardIterator: &cursor, Limit: new(int32(limit))})
	if err != nil {
		return nil, "", streamError(err)
	}
	d.mu.Lock()
	hash := d.hashKey
	d.mu.Unlock()
	records := make([]Record, len(out.Records))
	for i := range out.Records {
		records[i] = encodeRecord(&out.Records[i], d.arn, hash)
	}
	return records, smithy.Val(out.NextShardIterator), nil
}

func streamError(err error) error {
	switch {
	case fault.Is(err, "TrimmedDataAccessException"):
		return errTrimmed
	case fault.Is(err, "ExpiredIteratorException"):
		return errExpired
	}
	return err
}
