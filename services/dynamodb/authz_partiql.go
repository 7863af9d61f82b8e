package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/partiql"
)

// statementSubjects takes a request of statements apart for authorization. A
// statement of a batch that cannot be read is left out: it will not be carried
// out either. ok is false for requests of other kinds.
func statementSubjects(in any) (out []subject, ok bool, err error) {
	add := func(text *string, params []api.AttributeValue, consumed *string, enclosing string) error {
		st, err := readStatement(text, params)
		if err == nil {
			out = append(out, statementSubject(st, consumed, enclosing))
		}
		return err
	}
	switch in := in.(type) {
	case *api.ExecuteStatementInput:
		return out, true, add(in.Statement, in.Parameters, in.ReturnConsumedCapacity, "")
	case *api.BatchExecuteStatementInput:
		for _, q := range in.Statements {
			// The handler reads it again and answers what is wrong with it.
			_ = add(q.Statement, q.Parameters, in.ReturnConsumedCapacity, "")
		}
		return out, true, nil
	case *api.ExecuteTransactionInput:
		for _, q := range in.TransactStatements {
			if err := add(q.Statement, q.Parameters, in.ReturnConsumedCapacity, "ExecuteTransaction"); err != nil {
				return nil, true, err
			}
		}
		return out, true, nil
	}
	return nil, false, nil
}

// permitted leaves out what a batch's caller may not do, if there is something
// that it may: the batch is carried out, and each of its statements is judged
// again by judgeStatement.
func permitted(ctx context.Context, c *service.Call, checks []service.Check) []service.Check {
	var out []service.Check
	for _, check := range checks {
		if c.Judge(ctx, check) == nil {
			out = append(out, check)
		}
	}
	if len(out) == 0 {
		return checks
	}
	return out
}

// judgeStatement says whether the caller may make one statement of a batch.
func (s *Service) judgeStatement(ctx context.Context, c *service.Call, st *partiql.Statement, consumed *string) error {
	sub := statementSubject(st, consumed, "")
	checks, err := s.checks(ctx, c, &sub)
	if err != nil {
		return err
	}
	return c.Judge(ctx, checks...)
}

func statementSubject(st *partiql.Statement, consumed *string, enclosing string) subject {
	sub := subject{table: &st.Table, statement: st, legacy: st.Attributes(), consumed: consumed, enclosing: enclosing}
	if st.Index != "" {
		sub.index = &st.Index
	}
	kind := st.Kind
	if kind == partiql.Exists || kind == partiql.Select {
		kind, sub.selection = partiql.Select, api.SelectAllAttributes
		if st.Columns != nil {
			sub.selection = api.SelectSpecificAttributes
		}
	}
	if kind == partiql.Update || kind == partiql.Delete {
		sub.returns = new(st.ReturnValues())
	}
	sub.actions = []string{"dynamodb:PartiQL" + string(kind)}
	return sub
}

// statementKeys adds which partitions of the table or index with a partition key
// of that name the statement is about.
func (sub *subject) statementKeys(keys policy.Keys, hash string) {
	reads := sub.selection != ""
	values := sub.statement.HashValues(hash)
	if values == nil {
		keys["dynamodb:leadingkeys"] = []string{noLeadingKey}
		if reads {
			keys["dynamodb:fulltablescan"] = []string{"true"}
		}
		return
	}
	for i := range values {
		keys["dynamodb:leadingkeys"] = append(keys["dynamodb:leadingkeys"], scalar(item.ValueToWire(&values[i])))
	}
	if reads {
		keys["dynamodb:fulltablescan"] = []string{"false"}
	}
}
