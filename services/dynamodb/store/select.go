package store

import (
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// Choose settles what Select means for the index.
func (r *Reading) Choose(selection string) error {
	switch {
	case selection == api.SelectSpecificAttributes && r.Projection == nil:
		return words.Refuse("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case selection == api.SelectAllProjectedAttributes && r.Index == nil:
		return words.BadParameter("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case selection == api.SelectCount && r.Projection != nil:
		return words.Refuse("Cannot specify the AttributesToGet or ProjectionExpression when choosing to get only the Count")
	case r.Projection != nil && (selection == api.SelectAllAttributes || selection == api.SelectAllProjectedAttributes):
		return words.Refuse("Cannot specify the AttributesToGet or ProjectionExpression when choosing to get %s", selection)
	}
	r.CountOnly = selection == api.SelectCount
	if r.Index == nil || r.Index.Projection == api.ProjectionTypeAll {
		return nil
	}
	if selection == api.SelectAllAttributes {
		if r.Index.Kind == table.Global {
			return words.BadParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", r.Index.Name)
		}
		r.Fetch = true
	}
	if r.Projection == nil {
		return nil
	}
	var absent []string
	for _, p := range r.Projection.Paths {
		if !r.Index.Holds(r.Table.Table, p[0].Name) {
			absent = append(absent, p[0].Name)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	if r.Index.Kind == table.Global {
		return words.BadParameter("Global secondary index %s does not project %s", r.Index.Name, "["+strings.Join(absent, ", ")+"]")
	}
	r.Fetch = true
	return nil
}

// FilterSparesKeys refuses filters on the keys that a query has conditions for.
func (r *Reading) FilterSparesKeys() error {
	var names []string
	topLevel(r.Filter, &names)
	for _, n := range names {
		if r.Keys().Has(n) {
			return words.Refuse("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", n)
		}
	}
	return nil
}

// topLevel collects the attributes of a condition.
func topLevel(c *expr.Condition, into *[]string) {
	if c == nil {
		return
	}
	for _, a := range c.Args {
		if a.Path != nil {
			*into = append(*into, a.Path[0].Name)
		}
	}
	for _, k := range c.Kids {
		topLevel(k, into)
	}
}

// Resume goes on after a position; wrong is the fault for one outside.
func (r *Reading) Resume(start map[string]api.AttributeValue, wrong string) error {
	m, err := item.FromWire(start)
	if err != nil {
		return words.Refuse("The provided starting key is invalid: %s", words.MessageOf(err))
	}
	inside, err := r.startAfter(m)
	if err == nil && !inside {
		err = words.Refuse("%s", wrong)
	}
	return err
}
