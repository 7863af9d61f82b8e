package streams

import (
	"context"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

func invalid(format string, args ...any) *fault.Fault { return words.Refuse(format, args...) }

func noStream(given string) error {
	return api.ErrResourceNotFoundException("Requested resource not found: Stream: %s not found", given)
}

// parseARN takes table and label out of a stream's ARN.
func parseARN(given string) (a arn.ARN, name, label string, err error) {
	a, err = arn.Parse(given)
	// In no other spelling: policies match the ARN as it was given.
	if err != nil || a.Service != "dynamodb" || a.Partition != "aws" {
		return a, "", "", invalid("Invalid StreamArn")
	}
	rest, ok := strings.CutPrefix(a.Resource, "table/")
	name, label, found := strings.Cut(rest, "/stream/")
	if !ok || !found || name == "" || label == "" || strings.Contains(label, "/") {
		return a, "", "", invalid("Invalid StreamArn")
	}
	return a, name, label, nil
}

// stream finds a stream by ARN. One of another account or region is not here.
func (s *Service) stream(ctx context.Context, c *service.Call, given string) (*store.Stream, error) {
	a, name, label, err := parseARN(given)
	if err != nil {
		return nil, err
	}
	if a.Account != c.Account || a.Region != c.Region {
		return nil, noStream(given)
	}
	st, err := s.store.Stream(ctx, store.PlaceOf(c), name, label, noStream(given))
	if err != nil {
		return nil, err
	}
	if !st.Ended.IsZero() && c.Now.Sub(st.Ended) >= store.Retention {
		return nil, noStream(given)
	}
	return st, nil
}

// maxPage is how many streams or shards are listed at once, AWS says.
const maxPage = 100

// pageLimit reads a limit, whose upper bound the model does not say.
func pageLimit(given *int32, most int) (int, error) {
	switch {
	case given == nil:
		return most, nil
	case int(*given) > most:
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", *given, most)
	}
	return int(*given), nil
}

func (s *Service) listStreams(ctx context.Context, c *service.Call, in *api.ListStreamsInput) (*api.ListStreamsOutput, error) {
	limit, err := pageLimit(in.Limit, maxPage)
	if err != nil {
		return nil, err
	}
	var after *store.Stream
	if given := smithy.Val(in.ExclusiveStartStreamArn); given != "" {
		_, name, label, err := parseARN(given)
		if err != nil {
			return nil, err
		}
		after = &store.Stream{Table: name, Label: label}
	}
	found, err := s.store.Streams(ctx, store.PlaceOf(c), smithy.Val(in.TableName), after, limit+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListStreamsOutput{Streams: []api.Stream{}}
	if len(found) > limit {
		found = found[:limit]
		out.LastEvaluatedStreamArn = &found[limit-1].ARN
	}
	for _, st := range found {
		if st.Ended.IsZero() || c.Now.Sub(st.Ended) < store.Retention {
			out.Streams = append(out.Streams, api.Stream{StreamArn: &st.ARN, TableName: &st.Table, StreamLabel: &st.Label})
		}
	}
	return out, nil
}

func (s *Service) describeStream(ctx context.Context, c *service.Call, in *api.DescribeStreamInput) (*api.DescribeStreamOutput, error) {
	limit, err := pageLimit(in.Limit, maxPage)
	if err != nil {
		return nil, err
	}
	if f := in.ShardFilter; f != nil && (f.Type == nil || f.ShardId == nil) {
		return nil, invalid("ShardFilter must have both Type and ShardId")
	}
	st, err := s.stream(ctx, c, *in.StreamArn)
	if err != nil {
		return nil, err
	}
	all, err := s.shards(ctx, st)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(sh shard) bool {
		child := in.ShardFilter == nil || smithy.Val(sh.parent(st)) == *in.ShardFilter.ShardId
		return !child || sh.id <= smithy.Val(in.ExclusiveStartShardId)
	})
	d := &api.StreamDescription{
		StreamArn: &st.ARN, StreamLabel: &st.Label, StreamViewType: &st.View, TableName: &st.Table,
		StreamStatus: new(api.StreamStatusEnabled), CreationRequestDateTime: &st.Created,
		KeySchema: keySchema(st.Keys), Shards: []api.Shard{},
	}
	if !st.Ended.IsZero() {
		d.StreamStatus = new(api.StreamStatusDisabled)
	}
	if len(all) > limit {
		all = all[:limit]
		d.LastEvaluatedShardId = &all[limit-1].id
	}
	for i := range all {
		d.Shards = append(d.Shards, all[i].describe(st))
	}
	return &api.DescribeStreamOutput{StreamDescription: d}, nil
}

func keySchema(k table.Keys) []api.KeySchemaElement {
	out := []api.KeySchemaElement{{AttributeName: &k.Hash.Name, KeyType: new(api.KeyTypeHash)}}
	if k.Range.Name != "" {
		out = append(out, api.KeySchemaElement{AttributeName: &k.Range.Name, KeyType: new(api.KeyTypeRange)})
	}
	return out
}
