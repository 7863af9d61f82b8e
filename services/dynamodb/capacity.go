package dynamodb

import (
	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

// consumed is what requests to one table cost.
type consumed struct {
	table   float64
	indexes map[string]float64
	// write tells writes from reads where both are shown (transactions).
	write bool
}

func (u *consumed) add(o store.Outcome, factor float64) {
	total := 0.0
	for name, n := range o.Indexes {
		if u.indexes == nil {
			u.indexes = map[string]float64{}
		}
		u.indexes[name] += n * factor
		total += n
	}
	u.table += (o.Units - total) * factor
}

func (u *consumed) total() float64 {
	n := u.table
	for _, i := range u.indexes {
		n += i
	}
	return n
}

// capacity writes what was consumed in the detail that a request asks for.
func capacity(mode *string, t *store.Table, u consumed, transaction bool) *api.ConsumedCapacity {
	m := smithy.Val(mode)
	if m == "" || m == api.ReturnConsumedCapacityNone {
		return nil
	}
	out := &api.ConsumedCapacity{TableName: &t.Name, CapacityUnits: new(u.total())}
	split := func(n float64) api.Capacity {
		c := api.Capacity{CapacityUnits: &n}
		switch {
		case transaction && u.write:
			c.WriteCapacityUnits = &n
		case transaction:
			c.ReadCapacityUnits = &n
		}
		return c
	}
	whole := split(u.total())
	out.ReadCapacityUnits, out.WriteCapacityUnits = whole.ReadCapacityUnits, whole.WriteCapacityUnits
	if m != api.ReturnConsumedCapacityIndexes {
		return out
	}
	out.Table = new(split(u.table))
	for name, n := range u.indexes {
		if x := t.Index(name); x != nil && x.Kind == table.Local {
			if out.LocalSecondaryIndexes == nil {
				out.LocalSecondaryIndexes = map[string]api.Capacity{}
			}
			out.LocalSecondaryIndexes[name] = split(n)
			continue
		}
		if out.GlobalSecondaryIndexes == nil {
			out.GlobalSecondaryIndexes = map[string]api.Capacity{}
		}
		out.GlobalSecondaryIndexes[name] = split(n)
	}
	return out
}

// collectionSize is what AWS says of a small item collection, in GB.
var collectionSize = [2]float64{0, 1}

// collection gives the metrics of an item collection, which tables without
// local indexes do not have.
func collection(mode *string, t *store.Table, k table.Key) *api.ItemCollectionMetrics {
	if smithy.Val(mode) != api.ReturnItemCollectionMetricsSize || !t.HasLocal() {
		return nil
	}
	return &api.ItemCollectionMetrics{
		ItemCollectionKey:   itemKey(t.Hash.Name, k),
		SizeEstimateRangeGB: collectionSize[:],
	}
}
