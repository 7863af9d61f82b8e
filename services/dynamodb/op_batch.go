package dynamodb

import (
	"context"
	"strconv"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Limits of batches.
const (
	maxBatchGet      = 100
	maxBatchWrite    = 25
	maxBatchGetBytes = 16 << 20
)

func (s *Service) batchGetItem(ctx context.Context, c *service.Call, in *api.BatchGetItemInput) (*api.BatchGetItemOutput, error) {
	total := 0
	for _, k := range in.RequestItems {
		total += len(k.Keys)
	}
	if total > maxBatchGet {
		return nil, words.Refuse("Too many items requested for the BatchGetItem call")
	}
	out := &api.BatchGetItemOutput{Responses: map[string][]map[string]api.AttributeValue{}, UnprocessedKeys: map[string]api.KeysAndAttributes{}}
	size := 0
	for _, name := range sortedNames(in.RequestItems) {
		if err := s.batchGetTable(ctx, c, in, name, out, &size); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) batchGetTable(ctx context.Context, c *service.Call, in *api.BatchGetItemInput, name string, out *api.BatchGetItemOutput, size *int) error {
	want := in.RequestItems[name]
	projection, err := readProjection(want.ProjectionExpression, want.ExpressionAttributeNames, want.AttributesToGet)
	if err != nil {
		return err
	}
	t, err := s.load(ctx, c, &name)
	if err != nil {
		return err
	}
	var u consumed
	wanted := make([]table.Key, len(want.Keys))
	seen := map[string]bool{}
	for i, wire := range want.Keys {
		if wanted[i], err = t.WireKey(wire); err != nil {
			return err
		}
		row := string(t.RowKey(wanted[i]))
		if seen[row] {
			return words.Refuse("Provided list of item keys contains duplicates")
		}
		seen[row] = true
	}
	found := []map[string]api.AttributeValue{}
	for i, k := range wanted {
		m, err := s.readOne(ctx, t, k, smithy.Val(want.ConsistentRead))
		if store.Throttled(err) && (i > 0 || len(out.Responses) > 0) {
			rest := want
			rest.Keys = want.Keys[i:]
			out.UnprocessedKeys[name] = rest
			break
		}
		if err != nil {
			return err
		}
		if *size += m.Size(); *size > maxBatchGetBytes {
			rest := want
			rest.Keys = want.Keys[i:]
			out.UnprocessedKeys[name] = rest
			break
		}
		u.table += store.ReadUnits(m.Size(), smithy.Val(want.ConsistentRead))
		if m != nil {
			found = append(found, item.ToWire(projection.Apply(m)))
		}
	}
	out.Responses[name] = found
	if cc := capacity(in.ReturnConsumedCapacity, t, u, false); cc != nil {
		out.ConsumedCapacity = append(out.ConsumedCapacity, *cc)
	}
	return nil
}

// batchChange is one write of a batch, checked.
type batchChange struct {
	*store.Change
	table   string
	request api.WriteRequest
}

func (s *Service) batchWriteItem(ctx context.Context, c *service.Call, in *api.BatchWriteItemInput) (*api.BatchWriteItemOutput, error) {
	total := 0
	for _, w := range in.RequestItems {
		total += len(w)
	}
	if total > maxBatchWrite {
		return nil, words.Refuse("Too many items requested for the BatchWriteItem call")
	}
	changes, err := s.batchChanges(ctx, c, in)
	if err != nil {
		return nil, err
	}
	out := &api.BatchWriteItemOutput{UnprocessedItems: map[string][]api.WriteRequest{}}
	used := map[string]*consumed{}
	tables := map[string]*store.Table{}
	all := make([]*store.Change, len(changes))
	for i, ch := range changes {
		all[i] = ch.Change
	}
	results, err := s.store.WriteEach(ctx, all, in.ReturnConsumedCapacity != nil)
	if err != nil {
		return nil, err
	}
	var refused error
	for i, ch := range changes {
		res := results[i]
		if res.Refused != nil {
			refused = res.Refused
			out.UnprocessedItems[ch.table] = append(out.UnprocessedItems[ch.table], ch.request)
			continue
		}
		if used[ch.table] == nil {
			used[ch.table], tables[ch.table] = &consumed{write: true}, ch.Change.Table
		}
		used[ch.table].add(res, 1)
		if m := collection(in.ReturnItemCollectionMetrics, ch.Change.Table, ch.Key); m != nil {
			if out.ItemCollectionMetrics == nil {
				out.ItemCollectionMetrics = map[string][]api.ItemCollectionMetrics{}
			}
			out.ItemCollectionMetrics[ch.table] = append(out.ItemCollectionMetrics[ch.table], *m)
		}
	}
	if refused != nil && len(used) == 0 {
		return nil, refused // not one could be made
	}
	for _, name := range sortedNames(used) {
		if cc := capacity(in.ReturnConsumedCapacity, tables[name], *used[name], false); cc != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *cc)
		}
	}
	return out, nil
}

// batchChanges checks all writes before the first is made.
func (s *Service) batchChanges(ctx context.Context, c *service.Call, in *api.BatchWriteItemInput) ([]batchChange, error) {
	var out []batchChange
	for _, name := range sortedNames(in.RequestItems) {
		t, err := s.load(ctx, c, &name)
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for _, w := range in.RequestItems[name] {
			ch, err := writeRequest(t, w)
			if err != nil {
				return nil, err
			}
			row := string(t.RowKey(ch.Key))
			if seen[row] {
				return nil, words.Refuse("Provided list of item keys contains duplicates")
			}
			seen[row] = true
			out = append(out, batchChange{ch, name, w})
		}
	}
	return out, nil
}

func writeRequest(t *store.Table, w api.WriteRequest) (*store.Change, error) {
	switch {
	case w.PutRequest != nil && w.DeleteRequest != nil:
		return nil, words.Refuse("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case w.PutRequest != nil:
		m, err := item.FromWire(w.PutRequest.Item)
		if err != nil {
			return nil, err
		}
		if err := table.CheckSize(m.Size(), false); err != nil {
			return nil, err
		}
		return putChange(t, m, nil, "")
	case w.DeleteRequest != nil:
		k, err := t.WireKey(w.DeleteRequest.Key)
		if err != nil {
			return nil, err
		}
		return deleteChange(t, k, nil, ""), nil
	}
	return nil, words.Refuse("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}
