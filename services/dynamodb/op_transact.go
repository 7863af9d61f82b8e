package dynamodb

import (
	"context"
	"strings"

	"moln.dev/moln/aws/fault"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// Limits and prices of transactions.
const (
	maxTransaction      = 100
	maxTransactionBytes = 4 << 20
	transactionFactor   = 2
)

// reasons collects why items of a transaction cannot be done.
type reasons struct {
	list   []api.CancellationReason
	failed bool
}

func newReasons(n int) *reasons {
	r := &reasons{list: make([]api.CancellationReason, n)}
	for i := range r.list {
		r.list[i].Code = new("None")
	}
	return r
}

// add notes an item's fault; other errors are returned.
func (r *reasons) add(i int, err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	code := f.Code
	switch f.Code {
	case "ConditionalCheckFailedException":
		code = "ConditionalCheckFailed"
	case "DuplicateItemException":
		code = "DuplicateItem"
	case "ValidationException":
		code = "ValidationError"
	default:
		return err
	}
	r.list[i] = api.CancellationReason{Code: &code, Message: &f.Message}
	if body, ok := f.Body.(*api.ConditionalCheckFailedException); ok {
		r.list[i].Item = body.Item
	}
	r.failed = true
	return nil
}

func (r *reasons) fault() error {
	codes := make([]string, len(r.list))
	for i := range r.list {
		codes[i] = *r.list[i].Code
	}
	f := api.ErrTransactionCanceledException("Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	return f.WithBody(&api.TransactionCanceledException{Message: &f.Message, CancellationReasons: r.list})
}

func tooMany(shown string) error {
	return invalid("1 validation error detected: Value '[%s]' at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to %d", shown, maxTransaction)
}

func (s *Service) transactGetItems(ctx context.Context, c *service.Call, in *api.TransactGetItemsInput) (*api.TransactGetItemsOutput, error) {
	if len(in.TransactItems) > maxTransaction {
		return nil, tooMany("TransactGetItem")
	}
	gets := make([]transactGet, len(in.TransactItems))
	why := newReasons(len(gets))
	seen := map[string]bool{}
	for i, ti := range in.TransactItems {
		if ti.Get == nil {
			return nil, invalid("TransactItems can only contain one of Get")
		}
		if err := s.prepareGet(ctx, c, ti.Get, &gets[i]); err != nil {
			return nil, err
		}
		k, err := gets[i].table.wireKey(ti.Get.Key)
		if err != nil {
			if err := why.add(i, err); err != nil {
				return nil, err
			}
			continue
		}
		gets[i].key = k
		row := string(gets[i].table.rowKey(k))
		if seen[row] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[row] = true
	}
	if why.failed {
		return nil, why.fault()
	}
	found, err := s.store.getAll(ctx, gets)
	if err != nil {
		return nil, err
	}
	return transactGetOutput(in, gets, found)
}

func (s *Service) prepareGet(ctx context.Context, c *service.Call, g *api.Get, into *transactGet) (err error) {
	if into.projection, err = readProjection(g.ProjectionExpression, g.ExpressionAttributeNames, nil); err != nil {
		return err
	}
	into.table, err = s.load(ctx, c, g.TableName)
	return err
}

func transactGetOutput(in *api.TransactGetItemsInput, gets []transactGet, found []item.Map) (*api.TransactGetItemsOutput, error) {
	out := &api.TransactGetItemsOutput{Responses: make([]api.ItemResponse, len(gets))}
	used := map[string]*consumed{}
	tables := map[string]*tableRef{}
	size := 0
	for i, m := range found {
		if m != nil {
			out.Responses[i].Item = item.ToWire(gets[i].projection.Apply(m))
		}
		name := gets[i].table.Name
		if used[name] == nil {
			used[name], tables[name] = &consumed{}, gets[i].table
		}
		size += m.Size()
		used[name].table += readUnits(m.Size(), true) * transactionFactor
	}
	if size > maxTransactionBytes {
		return nil, invalid("Collection size of items in transaction exceeds the maximum allowed size of 4 MB")
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
	changes := make([]*change, len(in.TransactItems))
	why := newReasons(len(changes))
	seen := map[string]bool{}
	for i := range in.TransactItems {
		ch, err := s.transactChange(ctx, c, &in.TransactItems[i])
		if err != nil && !fault.Is(err, itemFault) {
			return nil, err
		}
		if err != nil {
			if err := why.add(i, unwrapItemFault(err)); err != nil {
				return nil, err
			}
			continue
		}
		row := string(ch.table.rowKey(ch.key))
		if seen[row] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[row] = true
		changes[i] = ch
	}
	if why.failed {
		return nil, why.fault()
	}
	results, err := s.store.transact(ctx, changes, idempotency{token: smithy.Val(in.ClientRequestToken), print: fingerprint(in.ClientRequestToken, in.TransactItems), place: placeOf(c), now: c.Now})
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

func unwrapItemFault(err error) error { return invalid("%s", fault.As(err).Message) }

// transactChange checks one item of a transaction.
func (s *Service) transactChange(ctx context.Context, c *service.Call, ti *api.TransactWriteItem) (*change, error) {
	n := 0
	for _, set := range []bool{ti.Put != nil, ti.Update != nil, ti.Delete != nil, ti.ConditionCheck != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
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
	return &change{table: t, key: k, condition: cond, showOld: smithy.Val(q.ReturnValuesOnConditionCheckFailure) == api.ReturnValuesOnConditionCheckFailureAllOld}, nil
}

func (s *Service) transactKey(ctx context.Context, c *service.Call, name *string, wire map[string]api.AttributeValue) (*tableRef, primaryKey, error) {
	key, err := item.FromWire(wire)
	if err != nil {
		return nil, primaryKey{}, err
	}
	t, err := s.load(ctx, c, name)
	if err != nil {
		return nil, primaryKey{}, err
	}
	k, err := t.readKey(key)
	return t, k, asItemFault(err)
}

func (s *Service) transactPut(ctx context.Context, c *service.Call, p *api.Put) (*change, error) {
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

func (s *Service) transactUpdate(ctx context.Context, c *service.Call, u *api.Update) (*change, error) {
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

func transactOutput(in *api.TransactWriteItemsInput, changes []*change, results []outcome) *api.TransactWriteItemsOutput {
	out := &api.TransactWriteItemsOutput{}
	used := map[string]*consumed{}
	tables := map[string]*tableRef{}
	for i, ch := range changes {
		t := ch.table
		if used[t.Name] == nil {
			used[t.Name], tables[t.Name] = &consumed{write: true}, t
		}
		used[t.Name].add(results[i], transactionFactor)
		if m := collection(in.ReturnItemCollectionMetrics, t, ch.key); m != nil {
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

// transactGet is one read of a transaction.
type transactGet struct {
	table      *tableRef
	key        primaryKey
	projection *expr.Projection
}
