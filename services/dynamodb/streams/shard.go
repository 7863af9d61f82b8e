package streams

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/store"
)

// shard is a segment of one of a stream's lanes.
type shard struct {
	id   string
	lane int
	changelog.Segment
	head *changelog.Head
}

// shardID names a segment. Names are in the order of their age.
func shardID(st *store.Stream, lane int, first uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", st.ID, lane, first))
	return fmt.Sprintf("shardId-%020d-%s", first, hex.EncodeToString(sum[:4]))
}

// shards lists a stream's shards by name.
func (s *Service) shards(ctx context.Context, st *store.Stream) ([]shard, error) {
	var out []shard
	l := st.Log()
	for lane := range l.Lanes {
		h, err := s.store.Logs().Head(ctx, l, lane)
		if err != nil {
			return nil, err
		}
		for _, seg := range h.Segments {
			out = append(out, shard{shardID(st, lane, seg.First), lane, seg, h})
		}
	}
	slices.SortFunc(out, func(a, b shard) int { return cmp.Compare(a.id, b.id) })
	return out, nil
}

func (s *Service) shard(ctx context.Context, st *store.Stream, id string) (shard, error) {
	all, err := s.shards(ctx, st)
	if err != nil {
		return shard{}, err
	}
	i := slices.IndexFunc(all, func(sh shard) bool { return sh.id == id })
	if i < 0 {
		return shard{}, api.ErrResourceNotFoundException("Requested resource not found: Shard does not exist")
	}
	return all[i], nil
}

func (sh *shard) parent(st *store.Stream) *string {
	if sh.Parent == 0 {
		return nil
	}
	return new(shardID(st, sh.lane, sh.Parent))
}

func (sh *shard) describe(st *store.Stream) api.Shard {
	d := api.Shard{
		ShardId: &sh.id, ParentShardId: sh.parent(st),
		SequenceNumberRange: &api.SequenceNumberRange{StartingSequenceNumber: new(sequence(sh.lane, sh.First))},
	}
	if !sh.Open() {
		d.SequenceNumberRange.EndingSequenceNumber = new(sequence(sh.lane, sh.End))
	}
	return d
}

// sequence writes a number as clients read it: a digit for the lane, so that no
// two records of a stream have the same, and the number in 20 digits.
func sequence(lane int, n uint64) string { return fmt.Sprintf("%d%020d", lane+1, n) }

// readSequence reads a number of a lane.
func readSequence(lane int, text string) (uint64, bool) {
	digit := strconv.Itoa(lane + 1)
	if len(text) != len(digit)+20 || text[:len(digit)] != digit {
		return 0, false
	}
	n, err := strconv.ParseUint(text[len(digit):], 10, 64)
	return n, err == nil
}
