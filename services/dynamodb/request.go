package dynamodb

import (
	"context"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/words"
)

// tableName takes the name of a table of the caller's account, or the name out
// of its ARN.
func tableName(c *service.Call, given *string) (string, error) {
	p, name, err := locate(c, given)
	if err == nil && p != store.PlaceOf(c) {
		err = words.NoTable()
	}
	return name, err
}

// locate takes a table's name, or the name and the account out of its ARN. Who
// may reach into another account has been judged, by the table's policy as well.
// Tables of other regions are not here.
func locate(c *service.Call, given *string) (store.Place, string, error) {
	here := store.PlaceOf(c)
	name := smithy.Val(given)
	if !strings.HasPrefix(name, "arn:") {
		return here, name, words.TableName(name, 0)
	}
	a, err := arn.Parse(name)
	_, id := a.SplitResource()
	// In no other spelling: policies match the ARN as it was given.
	if err != nil || name != tableIn(a.Account, a.Region, id) || strings.Contains(id, "/") {
		return here, "", words.Refuse("Invalid TableArn: Invalid ResourceArn provided as input %s", name)
	}
	if a.Region != c.Region {
		return here, "", words.NoTable()
	}
	return store.Place{Account: a.Account, Region: a.Region}, id, nil
}

func tableARN(c *service.Call, name string) string { return tableIn(c.Account, c.Region, name) }

func tableIn(account, region, name string) string {
	return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name
}

// load finds the table of a data request.
func (s *Service) load(ctx context.Context, c *service.Call, given *string) (*store.Table, error) {
	p, name, err := locate(c, given)
	if err != nil {
		return nil, err
	}
	return s.tableOf(ctx, c, p, name)
}

// placeholders are ExpressionAttributeNames and Values, and the expressions of
// a request that may use them.
type placeholders struct {
	names  map[string]string
	values map[string]api.AttributeValue
	// given are the expressions by parameter; nil text: not in the request.
	given []given
	// legacy are the parameters of old that are in the request.
	legacy []string
}

type given struct {
	name string
	text *string
}

// scope reads the placeholders, and refuses them where nothing can use them and
// where the parameters of old are given as well.
func (p placeholders) scope() (*expr.Scope, error) {
	var absent, present []string
	for _, g := range p.given {
		if g.text == nil {
			absent = append(absent, g.name)
		} else {
			present = append(present, g.name)
		}
	}
	if len(p.legacy) > 0 {
		if len(present) == 0 && p.names != nil {
			present = append(present, "ExpressionAttributeNames")
		}
		if len(present) == 0 && p.values != nil {
			present = append(present, "ExpressionAttributeValues")
		}
		if len(present) > 0 {
			return nil, words.Refuse("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {%s} Expression parameters: {%s}", strings.Join(p.legacy, ", "), strings.Join(present, ", "))
		}
	}
	if len(present) == 0 && p.names != nil {
		return nil, words.Refuse("ExpressionAttributeNames can only be specified when using expressions")
	}
	if len(present) == 0 && p.values != nil {
		verb := "is null"
		if len(absent) > 1 {
			verb = "are null"
		}
		return nil, words.Refuse("ExpressionAttributeValues can only be specified when using expressions: %s %s", strings.Join(absent, " and "), verb)
	}
	if p.names != nil && len(p.names) == 0 {
		return nil, words.Refuse("ExpressionAttributeNames must not be empty")
	}
	if p.values != nil && len(p.values) == 0 {
		return nil, words.Refuse("ExpressionAttributeValues must not be empty")
	}
	values, err := p.readValues()
	if err != nil {
		return nil, err
	}
	return expr.NewScope(p.names, values)
}

func (p placeholders) readValues() (map[string]item.Value, error) {
	if len(p.values) == 0 {
		return nil, nil
	}
	out := make(map[string]item.Value, len(p.values))
	for k, av := range p.values {
		v, err := item.ValueFromWire(av)
		if err != nil {
			return nil, words.Refuse("ExpressionAttributeValues contains invalid value: %s for key %s", words.MessageOf(err), k)
		}
		out[k] = v
	}
	return out, nil
}

// legacyNames lists which parameters of old are in a request.
func legacyNames(pairs ...any) []string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1].(bool) {
			out = append(out, pairs[i].(string))
		}
	}
	return out
}

// condition parses a condition of a request; nil text is none.
func condition(s *expr.Scope, text *string) (*expr.Condition, error) {
	if text == nil {
		return nil, nil
	}
	return s.Condition("ConditionExpression", *text)
}

// attributes makes a projection of the AttributesToGet of old.
func attributes(names []string) *expr.Projection {
	var paths []expr.Path
	for _, n := range names {
		p := expr.Path{{Name: n}}
		if !slices.ContainsFunc(paths, func(o expr.Path) bool { return o[0].Name == n }) {
			paths = append(paths, p)
		}
	}
	return expr.NewProjection(paths)
}
