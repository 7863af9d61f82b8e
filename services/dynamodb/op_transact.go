package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// Limits and prices of transactions.
const (
	maxTransaction    = 100
	transactionFactor = 2
)

func tooMany(shown string) error {
	return words.Refuse("1 validation error detected: Value '[%s]' at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to %d", shown, maxTransaction)
}

func (s *Service) transactGetItems(ctx context.Context, c *service.Call, in *api.TransactGetItemsInput) (*api.TransactGetItemsOutput, error) {
	if len(in.TransactItems) > maxTransaction {
		return nil, tooMany("TransactGetItem")
	}
	gets := make([]store.ItemRead, len(in.TransactItems))
	why := store.NewReasons(len(gets))
	seen := map[string]bool{}
	for i, ti := range in.TransactItems {
		if ti.Get == nil {
			return nil, words.Refuse("TransactItems can only contain one of Get")
		}
		if err := s.prepareGet(ctx, c, ti.Get, &gets[i]); err != nil {
			return nil, err
		}
		k, err := gets[i].Table.WireKey(ti.Get.Key)
		if err != nil {
			if err := why.Add(i, err); err != nil {
				return nil, err
			}
			continue
		}
		gets[i].Key = k
		row := string(gets[i].Table.RowKey(k))
		if seen[row] {
			return nil, words.Refuse("Transaction request cannot include multiple operations on one item")
		}
		seen[row] = true
	}
	if why.Failed {
		return nil, why.Fault()
	}
	found, err := s.readAll(ctx, gets)
	if err != nil {
		return nil, err
	}
	return transactGetOutput(in, gets, found)
}

func (s *Service) prepareGet(ctx context.Context, c *service.Call, g *api.Get, into *store.ItemRead) (err error) {
	if into.Projection, err = readProjection(g.ProjectionExpression, g.ExpressionAttributeNames, nil); err != nil {
		return err
	}
	into.Table, err = s.load(ctx, c, g.TableName)
	return err
}

func transactGetOutput(in *api.TransactGetItemsInput, gets []store.ItemRead, found []item.Map) (*api.TransactGetItemsOutput, error) {
	out := &api.TransactGetItemsOutput{Responses: make([]api.ItemResponse, len(gets))}
	used := map[string]*consumed{}
	tables := map[string]*store.Table{}
	size := 0
	for i, m := range found {
		if m != nil {
			out.Responses[i].Item = item.ToWire(gets[i].Projection.Apply(m))
		}
		name := gets[i].Table.Name
		if used[name] == nil {
			used[name], tables[name] = &consumed{}, gets[i].Table
		}
		size += m.Size()
		used[name].table += store.ReadUnits(m.Size(), true) * transactionFactor
	}
	if size > store.MaxTransactionBytes {
		return nil, words.Refuse("Collection size of items in transaction exceeds the maximum allowed size of 4 MB")
	}
	for _, name := range sortedNames(used) {
		if cc := capacity(in.ReturnConsumedCapacity, tables[name], *used[name], true); cc != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *cc)
		}
	}
	return out, nil
}

func (s *Service) transactWriteItems(ctx context.Context, c *service.Call, in *api.TransactWriteItemsInput) (*api.TransactWriteItemsOutput, error) {
	if len(in.TransactItems) > maxTransaction {
		return nil, tooMany("TransactWriteItem")
	}
	changes := make([]*store.Change, len(in.TransactItems))
	why := store.NewReasons(len(changes))
	seen := map[string]bool{}
	for i := range in.TransactItems {
		ch, err := s.transactChange(ctx, c, &in.TransactItems[i])
		if err != nil && !fault.Is(err, itemFault) {
			return nil, err
		}
		if err != nil {
			if err := why.Add(i, unwrapItemFault(err)); err != nil {
				return nil, err
			}
			continue
		}
		row := string(ch.Table.RowKey(ch.Key))
		if seen[row] {
			return nil, words.Refuse("Transaction request cannot include multiple operations on one item")
		}
		seen[row] = true
		changes[i] = ch
	}
	if why.Failed {
		return nil, why.Fault()
	}
	results, err := s.store.Transact(ctx, changes, store.Once{Token: smithy.Val(in.ClientRequestToken), Print: store.Fingerprint(in.ClientRequestToken, in.TransactItems), Place: store.PlaceOf(c), Now: c.Now})
	if err != nil {
		return nil, err
	}
	return transactOutput(in, changes, results), nil
}

// itemFault marks a fault that belongs to one item of a transaction rather than
// to the request: it becomes a cancellation reason.
const itemFault = "moln.ItemFault"

func asItemFault(err error) error {
	if f := fault.As(err); f != nil {
		return &fault.Fault{Code: itemFault, Status: 400, Sender: true, Message: f.Message}
	}
	return err
}

func unwrapItemFault(err error) error { return words.Refuse("%s", fault.As(err).Message) }

// transactChange checks one item of a transaction.
func (s *Service) transactChange(ctx context.Context, c *service.Call, ti *api.TransactWriteItem) (*store.Change, error) {
	n := 0
	for _, set := range []bool{ti.Put != nil, ti.Update != nil, ti.Delete != nil, ti.ConditionCheck != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return nil, words.Refuse("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	switch {
	case ti.Put != nil:
		return s.transactPut(ctx, c, ti.Put)
	case ti.Update != nil:
		return s.transactUpdate(ctx, c, ti.Update)
	case ti.Delete != nil:
		d := ti.Delete
		cond, err := readCondition(conditional{d.ConditionExpression, d.ExpressionAttributeNames, d.ExpressionAttributeValues, nil, nil})
		if err != nil {
			return nil, err
		}
		t, k, err := s.transactKey(ctx, c, d.TableName, d.Key)
		if err != nil {
			return nil, err
		}
		return deleteChange(t, k, cond, smithy.Val(d.ReturnValuesOnConditionCheckFailure)), nil
	}
	q := ti.ConditionCheck
	cond, err := readCondition(conditional{q.ConditionExpression, q.ExpressionAttributeNames, q.ExpressionAttributeValues, nil, nil})
	if err != nil {
		return nil, err
	}
	t, k, err := s.transactKey(ctx, c, q.TableName, q.Key)
	if err != nil {
		return nil, err
	}
	return &store.Change{Table: t, Key: k, Condition: cond, ShowOld: smithy.Val(q.ReturnValuesOnConditionCheckFailure) == api.ReturnValuesOnConditionCheckFailureAllOld}, nil
}

func (s *Service) transactKey(ctx context.Context, c *service.Call, name *string, wire map[string]api.AttributeValue) (*store.Table, table.Key, error) {
	key, err := item.FromWire(wire)
	if err != nil {
		return nil, table.Key{}, err
	}
	t, err := s.load(ctx, c, name)
	if err != nil {
		return nil, table.Key{}, err
	}
	k, err := t.ReadKey(key)
	return t, k, asItemFault(err)
}

func (s *Service) transactPut(ctx context.Context, c *service.Call, p *api.Put) (*store.Change, error) {
	cond, err := readCondition(conditional{p.ConditionExpression, p.ExpressionAttributeNames, p.ExpressionAttributeValues, nil, nil})
	if err != nil {
		return nil, err
	}
	m, err := item.FromWire(p.Item)
	if err != nil {
		return nil, err
	}
	t, err := s.load(ctx, c, p.TableName)
	if err != nil {
		return nil, err
	}
	ch, err := putChange(t, m, cond, smithy.Val(p.ReturnValuesOnConditionCheckFailure))
	return ch, asItemFault(err)
}

func (s *Service) transactUpdate(ctx context.Context, c *service.Call, u *api.Update) (*store.Change, error) {
	in := &api.UpdateItemInput{
		UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
		ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
	}
	update, cond, err := readUpdate(in)
	if err != nil {
		return nil, err
	}
	t, k, err := s.transactKey(ctx, c, u.TableName, u.Key)
	if err != nil {
		return nil, err
	}
	key, err := item.FromWire(u.Key)
	if err != nil {
		return nil, err
	}
	ch, err := updateChange(t, k, key, update, cond, smithy.Val(u.ReturnValuesOnConditionCheckFailure))
	return ch, asItemFault(err)
}

func transactOutput(in *api.TransactWriteItemsInput, changes []*store.Change, results []store.Outcome) *api.TransactWriteItemsOutput {
	out := &api.TransactWriteItemsOutput{}
	used := map[string]*consumed{}
	tables := map[string]*store.Table{}
	for i, ch := range changes {
		t := ch.Table
		if used[t.Name] == nil {
			used[t.Name], tables[t.Name] = &consumed{write: !results[i].Repeated}, t
		}
		used[t.Name].add(results[i], transactionFactor)
		if m := collection(in.ReturnItemCollectionMetrics, t, ch.Key); m != nil {
			if out.ItemCollectionMetrics == nil {
				out.ItemCollectionMetrics = map[string][]api.ItemCollectionMetrics{}
			}
			out.ItemCollectionMetrics[t.Name] = append(out.ItemCollectionMetrics[t.Name], *m)
		}
	}
	for _, name := range sortedNames(used) {
		if cc := capacity(in.ReturnConsumedCapacity, tables[name], *used[name], true); cc != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *cc)
		}
	}
	return out
}
