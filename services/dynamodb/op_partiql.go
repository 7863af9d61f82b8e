package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/partiql"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// readStatement parses a statement with its parameters.
func readStatement(text *string, wire []api.AttributeValue) (*partiql.Statement, error) {
	params := make([]item.Value, len(wire))
	for i := range wire {
		v, err := item.ValueFromWire(wire[i])
		if err != nil {
			return nil, err
		}
		params[i] = v
	}
	return partiql.Parse(smithy.Val(text), params)
}

func (s *Service) executeStatement(ctx context.Context, c *service.Call, in *api.ExecuteStatementInput) (*api.ExecuteStatementOutput, error) {
	st, err := readStatement(in.Statement, in.Parameters)
	if err != nil {
		return nil, err
	}
	if !st.Reads() {
		items, used, err := s.writeStatement(ctx, c, st, in.ReturnValuesOnConditionCheckFailure, in.ReturnConsumedCapacity)
		return &api.ExecuteStatementOutput{Items: items, ConsumedCapacity: used}, err
	}
	r, access, err := s.openSelect(ctx, c, st, smithy.Val(in.ConsistentRead))
	if err != nil {
		return nil, err
	}
	print := partiql.Fingerprint(in.Statement, in.Parameters)
	from, err := partiql.ReadCursor(in.NextToken, print)
	if err != nil {
		return nil, err
	}
	p, next, err := s.selectPage(ctx, r, access, from, int(smithy.Val(in.Limit)))
	if err != nil {
		return nil, err
	}
	out := &api.ExecuteStatementOutput{Items: rows(st, p), ConsumedCapacity: readCapacity(r, in.ReturnConsumedCapacity, p)}
	if next != nil {
		out.LastEvaluatedKey = next.Key
		out.NextToken, err = next.Token(print)
	}
	return out, err
}

func rows(st *partiql.Statement, p *store.Page) []map[string]api.AttributeValue {
	out := make([]map[string]api.AttributeValue, len(p.Items))
	for i, m := range p.Items {
		out[i] = item.ToWire(st.Shape(m))
	}
	return out
}

// openSelect finds the table and index of a SELECT and how to read them.
func (s *Service) openSelect(ctx context.Context, c *service.Call, st *partiql.Statement, consistent bool) (*store.Reading, partiql.Access, error) {
	r := &store.Reading{Consistent: consistent, Projection: st.TopLevel()}
	var index *string
	if st.Index != "" {
		index = &st.Index
	}
	if err := s.open(ctx, c, r, &st.Table, index, nil); err != nil {
		return nil, partiql.Access{}, err
	}
	keys := r.Keys()
	if len(keys.HashMore) > 0 {
		// No statement says all of a partition key of several attributes: the
		// whole index is looked through.
		keys = table.Keys{}
	}
	access, err := st.Plan(keys.Hash, keys.Range)
	r.Filter = access.Filter
	return r, access, err
}

const outsideStatement = "The provided starting key is outside query boundaries based on provided conditions"

// selectPage reads what one answer holds; next is nil at the end.
func (s *Service) selectPage(ctx context.Context, r *store.Reading, a partiql.Access, from partiql.Cursor, limit int) (*store.Page, *partiql.Cursor, error) {
	total := &store.Page{}
	for i := from.Partition; i < max(1, len(a.Keys)); i++ {
		if a.Keys == nil {
			r.Segment(0, 1)
		} else {
			r.Follow(a.Keys[i])
			r.Bounds.Reverse = a.Reverse
		}
		if i == from.Partition && from.Key != nil {
			if err := r.Resume(from.Key, outsideStatement); err != nil {
				return nil, nil, err
			}
		}
		if limit > 0 {
			r.Limit = limit - total.Scanned
		}
		p, err := s.readPage(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		total.Add(p)
		switch {
		case a.Single:
		case p.Last != nil:
			return total, &partiql.Cursor{Partition: i, Key: item.ToWire(p.Last)}, nil
		case i+1 < len(a.Keys) && (total.Bytes >= store.MaxPageBytes || limit > 0 && total.Scanned >= limit):
			return total, &partiql.Cursor{Partition: i + 1}, nil
		}
	}
	return total, nil, nil
}

// statementChange turns a statement on one item into a change, or a check.
func (s *Service) statementChange(ctx context.Context, c *service.Call, st *partiql.Statement, onFailure *string) (*store.Change, error) {
	t, err := s.load(ctx, c, &st.Table)
	if err != nil {
		return nil, err
	}
	present := func(op expr.Op) *expr.Condition {
		return &expr.Condition{Op: op, Args: []expr.Operand{{Path: expr.Path{{Name: t.Hash.Name}}}}}
	}
	show := smithy.Val(onFailure)
	if st.Kind == partiql.Insert {
		if err := t.CheckItem(st.Item); err != nil {
			return nil, err
		}
		ch, err := putChange(t, st.Item, present(expr.NotExists), show)
		if err == nil {
			ch.Refusal = api.ErrDuplicateItemException("Duplicate primary key exists in table")
		}
		return ch, err
	}
	key, rest, err := st.WriteKey(t.Hash, t.Range)
	if err != nil {
		return nil, err
	}
	k, err := t.ReadKey(key)
	if err != nil {
		return nil, err
	}
	switch {
	case st.Kind == partiql.Exists && (rest == nil || st.Index != ""):
		return nil, words.Refuse("EXISTS() must contain a single item read with additional condition")
	case st.Kind == partiql.Exists:
		return &store.Change{Table: t, Key: k, Condition: rest, ShowOld: show == api.ReturnValuesOnConditionCheckFailureAllOld}, nil
	case st.Kind == partiql.Delete && rest != nil: // what is not there can go
		rest = &expr.Condition{Op: expr.Or, Kids: []*expr.Condition{present(expr.NotExists), rest}}
		fallthrough
	case st.Kind == partiql.Delete:
		return deleteChange(t, k, rest, show), nil
	}
	cond := present(expr.Exists)
	if rest != nil {
		cond = &expr.Condition{Op: expr.And, Kids: []*expr.Condition{cond, rest}}
	}
	return updateChange(t, k, key, st.Update, cond, show)
}

// writeStatement makes the one change of a statement and gives what RETURNING
// asks for.
func (s *Service) writeStatement(ctx context.Context, c *service.Call, st *partiql.Statement, onFailure, mode *string) ([]map[string]api.AttributeValue, *api.ConsumedCapacity, error) {
	if st.Kind == partiql.Exists {
		return nil, nil, words.Refuse("EXISTS() can only be used in transactions")
	}
	ch, err := s.statementChange(ctx, c, st, onFailure)
	if err != nil {
		return nil, nil, err
	}
	res, err := s.store.Write(ctx, ch, true)
	if err != nil {
		return nil, nil, err
	}
	items := []map[string]api.AttributeValue{}
	if m := returned(st.ReturnValues(), st.Update, res); m != nil {
		items = append(items, item.ToWire(m))
	}
	return items, writeCapacity(mode, ch.Table, res), nil
}

func (s *Service) batchExecuteStatement(ctx context.Context, c *service.Call, in *api.BatchExecuteStatementInput) (*api.BatchExecuteStatementOutput, error) {
	parsed := make([]*partiql.Statement, len(in.Statements))
	out := &api.BatchExecuteStatementOutput{Responses: make([]api.BatchStatementResponse, len(in.Statements))}
	kinds := map[bool]bool{}
	for i, q := range in.Statements {
		st, err := readStatement(q.Statement, q.Parameters)
		if err != nil {
			out.Responses[i].Error = partiql.BatchError(err)
			continue
		}
		parsed[i] = st
		kinds[st.Reads()] = true
	}
	if len(kinds) > 1 {
		return nil, words.Refuse("A batch must consist of either read statements or write statements")
	}
	for i, st := range parsed {
		if st == nil {
			continue
		}
		used, err := s.batchStatement(ctx, c, st, in, i, &out.Responses[i])
		if used != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *used)
		}
		if err == nil {
			continue
		}
		if out.Responses[i].Error = partiql.BatchError(err); out.Responses[i].Error == nil {
			return nil, err
		}
	}
	return out, nil
}

// batchStatement carries out one statement of a batch.
func (s *Service) batchStatement(ctx context.Context, c *service.Call, st *partiql.Statement, in *api.BatchExecuteStatementInput, i int, into *api.BatchStatementResponse) (*api.ConsumedCapacity, error) {
	q := in.Statements[i]
	into.TableName = &st.Table
	if err := s.judgeStatement(ctx, c, st, in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if !st.Reads() {
		items, used, err := s.writeStatement(ctx, c, st, q.ReturnValuesOnConditionCheckFailure, in.ReturnConsumedCapacity)
		if len(items) > 0 {
			into.Item = items[0]
		}
		return used, err
	}
	r, access, err := s.openSelect(ctx, c, st, smithy.Val(q.ConsistentRead))
	if err != nil {
		return nil, err
	}
	if !access.Single {
		return nil, words.Refuse("Select statements within BatchExecuteStatement must specify the primary key in the where clause.")
	}
	p, _, err := s.selectPage(ctx, r, access, partiql.Cursor{}, 0)
	if err != nil {
		return nil, err
	}
	if items := rows(st, p); len(items) > 0 {
		into.Item = items[0]
	}
	return readCapacity(r, in.ReturnConsumedCapacity, p), nil
}

func (s *Service) executeTransaction(ctx context.Context, c *service.Call, in *api.ExecuteTransactionInput) (*api.ExecuteTransactionOutput, error) {
	statements := make([]*partiql.Statement, len(in.TransactStatements))
	kinds := map[bool]bool{}
	for i, q := range in.TransactStatements {
		st, err := readStatement(q.Statement, q.Parameters)
		if err != nil {
			return nil, err
		}
		if st.Returning != "" {
			return nil, words.Refuse("RETURNING clause is not supported in transactions")
		}
		statements[i] = st
		kinds[st.Reads()] = true
	}
	if len(kinds) > 1 {
		return nil, words.Refuse("A transaction must consist of either read statements or write statements")
	}
	if kinds[true] {
		return s.readTransaction(ctx, c, statements, in)
	}
	return s.writeTransaction(ctx, c, statements, in)
}

// readTransaction reads items as of one moment (D4).
func (s *Service) readTransaction(ctx context.Context, c *service.Call, statements []*partiql.Statement, in *api.ExecuteTransactionInput) (*api.ExecuteTransactionOutput, error) {
	gets := make([]store.ItemRead, len(statements))
	filters := make([]*expr.Condition, len(statements))
	why := store.NewReasons(len(statements))
	for i, st := range statements {
		t, err := s.load(ctx, c, &st.Table)
		if err != nil {
			return nil, err
		}
		gets[i].Table = t
		if gets[i].Key, filters[i], err = readKey(t, st); err != nil {
			if err := why.Add(i, err); err != nil {
				return nil, err
			}
		}
	}
	if why.Failed {
		return nil, why.Fault()
	}
	found, err := s.readAll(ctx, gets)
	if err != nil {
		return nil, err
	}
	out := &api.ExecuteTransactionOutput{Responses: make([]api.ItemResponse, len(gets))}
	size := 0
	for i, m := range found {
		if m != nil && filters[i].Match(m) {
			out.Responses[i].Item = item.ToWire(statements[i].Shape(m))
		}
		size += m.Size()
		used := consumed{table: store.ReadUnits(m.Size(), true) * transactionFactor}
		if cc := capacity(in.ReturnConsumedCapacity, gets[i].Table, used, true); cc != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *cc)
		}
	}
	if size > store.MaxTransactionBytes {
		return nil, words.Refuse("Collection size of items in transaction exceeds the maximum allowed size of 4 MB")
	}
	return out, nil
}

// readKey is the item that a SELECT of a transaction is about, and the condition
// besides.
func readKey(t *store.Table, st *partiql.Statement) (table.Key, *expr.Condition, error) {
	key, rest, err := st.WriteKey(t.Hash, t.Range)
	if err != nil || st.Index != "" {
		return table.Key{}, nil, words.Refuse("Select statements within ExecuteTransaction must specify the primary key in the where clause.")
	}
	k, err := t.ReadKey(key)
	return k, rest, err
}

// writeTransaction makes all changes or none (D4).
func (s *Service) writeTransaction(ctx context.Context, c *service.Call, statements []*partiql.Statement, in *api.ExecuteTransactionInput) (*api.ExecuteTransactionOutput, error) {
	changes := make([]*store.Change, len(statements))
	seen := map[string]bool{}
	why := store.NewReasons(len(statements))
	for i, st := range statements {
		ch, err := s.statementChange(ctx, c, st, in.TransactStatements[i].ReturnValuesOnConditionCheckFailure)
		if err != nil {
			if err := why.Add(i, err); err != nil {
				return nil, err
			}
			continue
		}
		row := string(ch.Table.RowKey(ch.Key))
		if seen[row] {
			return nil, words.Refuse("Transaction request cannot include multiple operations on one item")
		}
		seen[row], changes[i] = true, ch
	}
	if why.Failed {
		return nil, why.Fault()
	}
	once := store.Once{Token: smithy.Val(in.ClientRequestToken), Print: store.Fingerprint(in.ClientRequestToken, in.TransactStatements), Place: store.PlaceOf(c), Now: c.Now}
	results, err := s.store.Transact(ctx, changes, once)
	if err != nil {
		return nil, err
	}
	out := &api.ExecuteTransactionOutput{Responses: make([]api.ItemResponse, len(changes))}
	for i, ch := range changes {
		used := consumed{write: !results[i].Repeated}
		used.add(results[i], transactionFactor)
		if cc := capacity(in.ReturnConsumedCapacity, ch.Table, used, true); cc != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *cc)
		}
	}
	return out, nil
}
