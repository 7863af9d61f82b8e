package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// linearTable is the table of the groups: partition key g, sort key i.
const linearTable = "linear"

func makeLinearTable(ctx context.Context, c *client) error {
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.CreateTable", rawJSON(`{"TableName":"linear","BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"g","AttributeType":"S"},{"AttributeName":"i","AttributeType":"N"},{"AttributeName":"v","AttributeType":"N"}],
		"KeySchema":[{"AttributeName":"g","KeyType":"HASH"},{"AttributeName":"i","KeyType":"RANGE"}],
		"GlobalSecondaryIndexes":[{"IndexName":"by-v","KeySchema":[{"AttributeName":"v","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}`), nil)
	if err == nil {
		err = a.err()
	}
	return err
}

// fields is JSON that is being put together.
type fields = map[string]any

func number(n int) fields { return fields{"N": strconv.Itoa(n)} }

// wireItem is an attribute map as DynamoDB writes it.
type wireItem map[string]struct {
	S, N string
	NS   []string
}

func (w wireItem) cell() (cell, error) {
	if w == nil {
		return cell{}, nil
	}
	c := cell{there: true}
	var err error
	if c.v, err = strconv.Atoi(w["v"].N); err != nil {
		return c, fmt.Errorf("item %v: %w", w, err)
	}
	if text := w["n"].N; text != "" {
		if c.n, err = strconv.Atoi(text); err != nil {
			return c, fmt.Errorf("item %v: %w", w, err)
		}
	}
	for _, text := range w["s"].NS {
		bit, err := strconv.Atoi(text)
		if err != nil {
			return c, fmt.Errorf("item %v: %w", w, err)
		}
		c.set |= 1 << bit
	}
	return c, nil
}

func (r request) key(i int) fields {
	return fields{"g": fields{"S": r.group}, "i": number(i)}
}

// set writes bits as a number set; "" for none.
func numberSet(set uint16) fields {
	var members []string
	for ; set != 0; set &= set - 1 {
		members = append(members, strconv.Itoa(bits.TrailingZeros16(set)))
	}
	return fields{"NS": members}
}

// action is a step as the member of a transaction, which is nearly what the
// single operations take.
func (r request) action(s step) (kind string, in fields) {
	in = fields{"TableName": linearTable, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
	values := fields{}
	condition := ""
	switch s.rule.kind {
	case "absent":
		condition = "attribute_not_exists(g)"
	case "present":
		condition = "attribute_exists(g)"
	case "v is":
		condition, values[":arg"] = "v = :arg", number(s.rule.arg)
	case "n below":
		condition, values[":arg"] = "n < :arg", number(s.rule.arg)
	}
	if condition != "" {
		in["ConditionExpression"] = condition
	}
	switch s.kind {
	case "put":
		item := r.key(s.item)
		item["v"], item["n"], item["s"] = number(s.v), number(0), numberSet(s.bit)
		kind, in["Item"] = "Put", item
	case "add":
		kind, in["Key"], in["UpdateExpression"] = "Update", r.key(s.item), "SET v = :v ADD n :one, s :s"
		values[":v"], values[":one"], values[":s"] = number(s.v), number(1), numberSet(s.bit)
	case "take":
		kind, in["Key"], in["UpdateExpression"] = "Update", r.key(s.item), "SET v = :v, n = if_not_exists(n, :zero) - :one DELETE s :s"
		values[":v"], values[":one"], values[":zero"], values[":s"] = number(s.v), number(1), number(0), numberSet(s.bit)
	case "delete":
		kind, in["Key"] = "Delete", r.key(s.item)
	case "check":
		kind, in["Key"] = "ConditionCheck", r.key(s.item)
	}
	if len(values) > 0 {
		in["ExpressionAttributeValues"] = values
	}
	return kind, in
}

// send carries a request out. Of a transaction with a token that nobody
// answered it can be told later, by sending it again.
func (r request) send(ctx context.Context, c *client, token string) reply {
	switch r.kind {
	case "write":
		return r.write(ctx, c)
	case "transact":
		return r.transact(ctx, c, token)
	case "transactGet":
		return r.transactGet(ctx, c)
	}
	return r.query(ctx, c)
}

// unexpected is an answer that no client may be given.
type unexpected struct {
	request request
	answer  answer
	why     error
}

func (u unexpected) Error() string {
	return fmt.Sprintf("%v: %v: status %d: %s", u.request, u.why, u.answer.status, u.answer.body)
}

// told makes a reply of an answer; check is what makes it a success.
func (r request) told(a answer, err error, fill func(*reply) error) reply {
	switch {
	case err != nil:
		return reply{}
	case a.status/100 == 5: // it is not said whether it was done
		return reply{}
	}
	got := reply{known: true}
	if err := fill(&got); err != nil {
		panic(unexpected{r, a, err})
	}
	return got
}

func (r *reply) see(i int, w wireItem) (err error) {
	r.has[i] = true
	r.seen[i], err = w.cell()
	return err
}

func (r request) write(ctx context.Context, c *client) reply {
	s := r.steps[0]
	var out struct{ Attributes, Item wireItem }
	if s.kind == "get" {
		a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.GetItem",
			fields{"TableName": linearTable, "Key": r.key(s.item), "ConsistentRead": true}, &out)
		return r.told(a, err, func(got *reply) error {
			if err := a.err(); err != nil {
				return err
			}
			return got.see(0, out.Item)
		})
	}
	kind, in := r.action(s)
	in["ReturnValues"] = "ALL_OLD"
	if kind == "Update" {
		in["ReturnValues"] = "ALL_NEW"
	}
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810."+kind+"Item", in, &out)
	return r.told(a, err, func(got *reply) error {
		if a.status == http.StatusOK {
			return got.see(0, out.Attributes)
		}
		var fault struct {
			Type string `json:"__type"`
			Item wireItem
		}
		if err := json.Unmarshal(a.body, &fault); err != nil {
			return err
		}
		if !strings.HasSuffix(fault.Type, "#ConditionalCheckFailedException") {
			return a.err()
		}
		got.refused, got.failed[0] = true, true
		return got.see(0, fault.Item)
	})
}

func (r request) transact(ctx context.Context, c *client, token string) reply {
	var members []fields
	for _, s := range r.steps {
		kind, in := r.action(s)
		members = append(members, fields{kind: in})
	}
	in := fields{"TransactItems": members}
	if token != "" {
		in["ClientRequestToken"] = token
	}
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.TransactWriteItems", in, nil)
	return r.told(a, err, func(got *reply) error {
		if a.status == http.StatusOK {
			return nil
		}
		var fault struct {
			CancellationReasons []struct {
				Code string
				Item wireItem
			}
		}
		if err := json.Unmarshal(a.body, &fault); err != nil {
			return err
		}
		if len(fault.CancellationReasons) != len(r.steps) {
			return a.err()
		}
		got.refused = true
		for i, why := range fault.CancellationReasons {
			switch why.Code {
			case "None":
			case "TransactionConflict":
				got.nothing = true
			case "ConditionalCheckFailed":
				got.failed[i] = true
				if err := got.see(i, why.Item); err != nil {
					return err
				}
			default:
				return a.err()
			}
		}
		return nil
	})
}

func (r request) transactGet(ctx context.Context, c *client) reply {
	var members []fields
	for _, s := range r.steps {
		members = append(members, fields{"Get": fields{"TableName": linearTable, "Key": r.key(s.item)}})
	}
	var out struct{ Responses []struct{ Item wireItem } }
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.TransactGetItems", fields{"TransactItems": members}, &out)
	return r.told(a, err, func(got *reply) error {
		if strings.Contains(string(a.body), "TransactionConflict") {
			got.nothing = true
			return nil
		}
		if err := a.err(); err != nil {
			return err
		}
		for i, found := range out.Responses {
			if err := got.see(i, found.Item); err != nil {
				return err
			}
		}
		return nil
	})
}

// query reads the group; a page holds all of it.
func (r request) query(ctx context.Context, c *client) reply {
	var out struct{ Items []wireItem }
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.Query", fields{
		"TableName": linearTable, "KeyConditionExpression": "g = :g", "ConsistentRead": true,
		"ExpressionAttributeValues": fields{":g": fields{"S": r.group}},
	}, &out)
	return r.told(a, err, func(got *reply) error {
		if err := a.err(); err != nil {
			return err
		}
		last := -1
		for _, w := range out.Items {
			i, err := strconv.Atoi(w["i"].N)
			if err != nil || i <= last || i >= groupItems {
				return fmt.Errorf("item %v is out of order", w)
			}
			last = i
			if err := got.see(i, w); err != nil {
				return err
			}
		}
		got.has = [groupItems]bool(slices.Repeat([]bool{true}, groupItems))
		return nil
	})
}
