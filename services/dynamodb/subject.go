package dynamodb

import (
	"maps"
	"slices"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
)

func some(m map[string]api.AttributeValue) []map[string]api.AttributeValue {
	return []map[string]api.AttributeValue{m}
}

// dataSubjects takes a request on items apart for authorization.
func dataSubjects(in any) []subject {
	switch in := in.(type) {
	case *api.GetItemInput:
		return []subject{{
			table: in.TableName, items: some(in.Key), names: in.ExpressionAttributeNames, texts: []*string{in.ProjectionExpression},
			legacy: in.AttributesToGet, selection: selected("", in.ProjectionExpression, in.AttributesToGet), consumed: in.ReturnConsumedCapacity,
		}}
	case *api.PutItemInput:
		return []subject{{
			table: in.TableName, items: some(in.Item), names: in.ExpressionAttributeNames, texts: []*string{in.ConditionExpression},
			legacy: slices.Collect(maps.Keys(in.Expected)), returns: in.ReturnValues, consumed: in.ReturnConsumedCapacity,
		}}
	case *api.DeleteItemInput:
		return []subject{{
			table: in.TableName, items: some(in.Key), names: in.ExpressionAttributeNames, texts: []*string{in.ConditionExpression},
			legacy: slices.Collect(maps.Keys(in.Expected)), returns: in.ReturnValues, consumed: in.ReturnConsumedCapacity,
		}}
	case *api.UpdateItemInput:
		return []subject{{
			table: in.TableName, items: some(in.Key), names: in.ExpressionAttributeNames, texts: []*string{in.ConditionExpression, in.UpdateExpression},
			legacy:  append(slices.Collect(maps.Keys(in.Expected)), slices.Collect(maps.Keys(in.AttributeUpdates))...),
			returns: in.ReturnValues, consumed: in.ReturnConsumedCapacity,
		}}
	case *api.QueryInput:
		return []subject{querySubject(in)}
	case *api.ScanInput:
		return []subject{{
			table: in.TableName, index: in.IndexName, names: in.ExpressionAttributeNames, texts: []*string{in.FilterExpression, in.ProjectionExpression},
			legacy:    append(slices.Collect(maps.Keys(in.ScanFilter)), in.AttributesToGet...),
			selection: selected(smithy.Val(in.Select), in.ProjectionExpression, in.AttributesToGet), consumed: in.ReturnConsumedCapacity, scan: true,
		}}
	case *api.BatchGetItemInput:
		return batchGetSubjects(in)
	case *api.BatchWriteItemInput:
		return batchWriteSubjects(in)
	case *api.TransactGetItemsInput:
		return transactGetSubjects(in)
	case *api.TransactWriteItemsInput:
		return transactWriteSubjects(in)
	}
	return nil
}

func selected(given string, projection *string, get []string) string {
	switch {
	case given != "":
		return given
	case projection != nil || get != nil:
		return api.SelectSpecificAttributes
	}
	return api.SelectAllAttributes
}

func querySubject(in *api.QueryInput) subject {
	sub := subject{
		table: in.TableName, index: in.IndexName, names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		texts: []*string{in.FilterExpression, in.ProjectionExpression}, keyText: in.KeyConditionExpression,
		selection: selected(smithy.Val(in.Select), in.ProjectionExpression, in.AttributesToGet), consumed: in.ReturnConsumedCapacity,
		legacy: append(slices.Collect(maps.Keys(in.QueryFilter)), in.AttributesToGet...),
	}
	if in.KeyConditionExpression != nil {
		return sub
	}
	keys := map[string]api.AttributeValue{}
	for name, k := range in.KeyConditions {
		sub.legacy = append(sub.legacy, name)
		if smithy.Val(k.ComparisonOperator) == api.ComparisonOperatorEq && len(k.AttributeValueList) == 1 {
			keys[name] = k.AttributeValueList[0]
		}
	}
	sub.items = some(keys)
	return sub
}

func batchGetSubjects(in *api.BatchGetItemInput) []subject {
	var out []subject
	for _, name := range sortedNames(in.RequestItems) {
		k := in.RequestItems[name]
		out = append(out, subject{
			table: &name, items: k.Keys, names: k.ExpressionAttributeNames, texts: []*string{k.ProjectionExpression}, legacy: k.AttributesToGet,
			selection: selected("", k.ProjectionExpression, k.AttributesToGet), consumed: in.ReturnConsumedCapacity,
		})
	}
	return out
}

func batchWriteSubjects(in *api.BatchWriteItemInput) []subject {
	var out []subject
	for _, name := range sortedNames(in.RequestItems) {
		sub := subject{table: &name, consumed: in.ReturnConsumedCapacity}
		for _, w := range in.RequestItems[name] {
			if w.PutRequest != nil {
				sub.items = append(sub.items, w.PutRequest.Item)
			}
			if w.DeleteRequest != nil {
				sub.items = append(sub.items, w.DeleteRequest.Key)
			}
		}
		out = append(out, sub)
	}
	return out
}

func transactGetSubjects(in *api.TransactGetItemsInput) []subject {
	var out []subject
	for _, ti := range in.TransactItems {
		if g := ti.Get; g != nil {
			out = append(out, subject{
				table: g.TableName, actions: []string{"dynamodb:GetItem"}, items: some(g.Key), names: g.ExpressionAttributeNames,
				texts: []*string{g.ProjectionExpression}, enclosing: "TransactGetItems",
				selection: selected("", g.ProjectionExpression, nil), consumed: in.ReturnConsumedCapacity,
			})
		}
	}
	return out
}

func transactWriteSubjects(in *api.TransactWriteItemsInput) []subject {
	var out []subject
	add := func(action string, table *string, m map[string]api.AttributeValue, names map[string]string, texts ...*string) {
		out = append(out, subject{
			table: table, actions: []string{"dynamodb:" + action}, items: some(m), names: names, texts: texts,
			enclosing: "TransactWriteItems", consumed: in.ReturnConsumedCapacity,
		})
	}
	for _, ti := range in.TransactItems {
		if p := ti.Put; p != nil {
			add("PutItem", p.TableName, p.Item, p.ExpressionAttributeNames, p.ConditionExpression)
		}
		if u := ti.Update; u != nil {
			add("UpdateItem", u.TableName, u.Key, u.ExpressionAttributeNames, u.ConditionExpression, u.UpdateExpression)
		}
		if d := ti.Delete; d != nil {
			add("DeleteItem", d.TableName, d.Key, d.ExpressionAttributeNames, d.ConditionExpression)
		}
		if q := ti.ConditionCheck; q != nil {
			add("ConditionCheckItem", q.TableName, q.Key, q.ExpressionAttributeNames, q.ConditionExpression)
		}
	}
	return out
}
