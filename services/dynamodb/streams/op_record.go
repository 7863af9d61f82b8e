package streams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/record"
	"moln.dev/moln/services/dynamodb/store"
)

// Limits of one answer, AWS says.
const (
	maxRecords     = 1000
	maxAnswerBytes = 1 << 20
)

func trimmed() error {
	return api.ErrTrimmedDataAccessException("The operation attempted to read past the oldest stream record in a shard.")
}

func (s *Service) getShardIterator(ctx context.Context, c *service.Call, in *api.GetShardIteratorInput) (*api.GetShardIteratorOutput, error) {
	kind := *in.ShardIteratorType
	bySequence := kind == api.ShardIteratorTypeAtSequenceNumber || kind == api.ShardIteratorTypeAfterSequenceNumber
	switch {
	case bySequence && in.SequenceNumber == nil:
		return nil, invalid("SequenceNumber must be specified for ShardIteratorType %s", kind)
	case !bySequence && in.SequenceNumber != nil:
		return nil, invalid("SequenceNumber must not be specified for ShardIteratorType %s", kind)
	case kind == api.ShardIteratorTypeAtTimestamp && in.Timestamp == nil:
		return nil, invalid("Timestamp must be specified for ShardIteratorType %s", kind)
	case kind != api.ShardIteratorTypeAtTimestamp && in.Timestamp != nil:
		return nil, invalid("Timestamp must not be specified for ShardIteratorType %s", kind)
	}
	st, err := s.stream(ctx, c, *in.StreamArn)
	if err != nil {
		return nil, err
	}
	sh, err := s.settledShard(ctx, st, *in.ShardId)
	if err != nil {
		return nil, err
	}
	it := iterator{Stream: st.ARN, Lane: sh.lane, Segment: sh.First, Next: sh.First, Issued: c.Now.UnixMilli()}
	switch kind {
	case api.ShardIteratorTypeTrimHorizon:
		it.Oldest = true
	case api.ShardIteratorTypeLatest:
		it.Next = sh.end()
	case api.ShardIteratorTypeAtTimestamp:
		it.Next, err = s.store.Logs().Since(ctx, st.Log(), sh.lane, sh.Segment, sh.head, *in.Timestamp)
	default:
		it.Next, err = sh.at(*in.SequenceNumber, kind == api.ShardIteratorTypeAfterSequenceNumber)
	}
	if err != nil {
		return nil, err
	}
	return &api.GetShardIteratorOutput{ShardIterator: new(it.String())}, nil
}

// settledShard finds a shard after all writes that were answered before have got
// their numbers.
func (s *Service) settledShard(ctx context.Context, st *store.Stream, id string) (shard, error) {
	sh, err := s.shard(ctx, st, id)
	if err != nil || !sh.Open() {
		return sh, err
	}
	if err := s.store.Logs().Drain(ctx, st.Log(), sh.lane); err != nil {
		return sh, err
	}
	return s.shard(ctx, st, id)
}

// end is the number after the newest record.
func (sh *shard) end() uint64 {
	if sh.Open() {
		return sh.head.Next
	}
	return sh.End
}

// at is where reading goes on at or after a sequence number.
func (sh *shard) at(text string, after bool) (uint64, error) {
	n, ok := readSequence(sh.lane, text)
	if !ok || n < sh.First || n > sh.end() {
		return 0, invalid("Invalid SequenceNumber: %s is not in the range of shard %s", text, sh.id)
	}
	if after {
		n++
	}
	if n < sh.head.Trimmed {
		return 0, trimmed()
	}
	return n, nil
}

func (s *Service) getRecords(ctx context.Context, c *service.Call, in *api.GetRecordsInput) (*api.GetRecordsOutput, error) {
	limit, err := pageLimit(in.Limit, maxRecords)
	if err != nil {
		return nil, err
	}
	it, err := readIterator(*in.ShardIterator)
	if err != nil {
		return nil, err
	}
	if err := it.check(c.Now); err != nil {
		return nil, err
	}
	st, err := s.stream(ctx, c, it.Stream)
	if err != nil {
		return nil, err
	}
	if it.Lane >= st.Shards {
		return nil, invalidIterator()
	}
	if st.Ended.IsZero() {
		if err := s.store.Logs().Drain(ctx, st.Log(), it.Lane); err != nil {
			return nil, err
		}
	}
	records, more, err := s.page(ctx, st, &it, c.Now, limit)
	if err != nil {
		return nil, err
	}
	out := &api.GetRecordsOutput{Records: records}
	if more {
		it.Issued = c.Now.UnixMilli()
		out.NextShardIterator = new(it.String())
	}
	return out, nil
}

// page reads records at an iterator, which it moves on; more is false at the end
// of a closed shard.
func (s *Service) page(ctx context.Context, st *store.Stream, it *iterator, now time.Time, limit int) (out []api.Record, more bool, err error) {
	// The head is read first: what it says is closed has all its records.
	h, err := s.store.Logs().Head(ctx, st.Log(), it.Lane)
	if err != nil {
		return nil, false, err
	}
	seg := h.Segment(it.Segment)
	switch {
	case seg == nil: // it was trimmed long ago
		return nil, false, trimmed()
	case it.Next < h.Trimmed && !it.Oldest:
		return nil, false, trimmed()
	}
	it.Next = max(it.Next, h.Trimmed)
	out = []api.Record{}
	oldest, bytes := now.Add(-store.Retention), 0
	for {
		found, err := s.store.Logs().Read(ctx, st.Log(), it.Lane, it.Segment, it.Next, limit-len(out))
		if err != nil {
			return nil, false, err
		}
		for _, e := range found {
			if e.At.Before(oldest) { // to be trimmed
				if !it.Oldest {
					return nil, false, trimmed()
				}
				it.Next = e.Number + 1
				continue
			}
			r, size, err := wireRecord(st, it.Lane, e)
			if err != nil {
				return nil, false, err
			}
			if len(out) > 0 && bytes+size > maxAnswerBytes {
				return out, true, nil
			}
			bytes += size
			out, it.Next, it.Oldest = append(out, r), e.Number+1, false
		}
		if len(found) == 0 || len(out) > 0 {
			return out, seg.Open() || it.Next < seg.End && len(found) > 0, nil
		}
	}
}

// wireRecord writes an entry as clients read it.
func wireRecord(st *store.Stream, lane int, e changelog.Entry) (api.Record, int, error) {
	r, err := record.Decode(e.Payload)
	if err != nil {
		return api.Record{}, 0, err
	}
	size := r.Size()
	d := &api.StreamRecord{
		ApproximateCreationDateTime: new(e.At.Truncate(time.Second)), Keys: toWire(r.Keys),
		SequenceNumber: new(sequence(lane, e.Number)), SizeBytes: new(int64(size)), StreamViewType: &st.View,
	}
	if r.Old != nil {
		d.OldImage = toWire(r.Old)
	}
	if r.New != nil {
		d.NewImage = toWire(r.New)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", st.ID, lane, e.Number))
	out := api.Record{
		EventID: new(hex.EncodeToString(sum[:16])), EventName: new(r.Event.String()), EventVersion: new("1.1"),
		EventSource: new("aws:dynamodb"), AwsRegion: &st.Region, Dynamodb: d,
	}
	if r.Expired {
		out.UserIdentity = &api.Identity{Type: new("Service"), PrincipalId: new("dynamodb.amazonaws.com")}
	}
	return out, size, nil
}
