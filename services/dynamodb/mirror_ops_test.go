package dynamodb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
)

// maybe makes a condition, or none; text is nil for none.
func (m *mirror) maybe(percent int, w *writer) (*cond, *string) {
	if !m.chance(percent) {
		return nil, nil
	}
	c := m.condition(0)
	return c, new(c.write(w))
}

func (m *mirror) putOne() {
	item, w := m.drawItem(), &writer{}
	c, text := m.maybe(30, w)
	m.note("put %s if %v %s", canonItem(item), deref(text), canonItem(w.values))
	old := m.get(item)
	want := ""
	switch {
	case !m.fits(item):
		want = validationText
	case !c.holds(old):
		want = refusedText
	}
	out, err := call(m.b, api.PutItem, &api.PutItemInput{
		TableName: &m.name, Item: item, ConditionExpression: text, ReturnValues: new("ALL_OLD"),
		ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values,
	})
	if m.failed(want, err) {
		return
	}
	m.sameItem("ALL_OLD", old, out.Attributes)
	m.set(item, item)
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func (m *mirror) deleteOne() {
	key, w := m.drawKey(), &writer{}
	c, text := m.maybe(40, w)
	m.note("delete %s if %v %s", canonItem(key), deref(text), canonItem(w.values))
	old, want := m.get(key), ""
	if !c.holds(old) {
		want = refusedText
	}
	out, err := call(m.b, api.DeleteItem, &api.DeleteItemInput{
		TableName: &m.name, Key: key, ConditionExpression: text, ReturnValues: new("ALL_OLD"),
		ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values,
	})
	if m.failed(want, err) {
		return
	}
	m.sameItem("ALL_OLD", old, out.Attributes)
	m.set(key, nil)
}

// change is what an update makes of an item, and the fault there is.
func (m *mirror) change(old, key avs, c *cond, actions []action) (avs, string) {
	if !c.holds(old) {
		return nil, refusedText
	}
	now, ok := updated(old, key, actions)
	if !ok || !m.fits(now) {
		return nil, validationText
	}
	return now, ""
}

func (m *mirror) updateOne() {
	key, actions, w := m.drawKey(), m.update(), &writer{}
	text := writeUpdate(w, actions)
	c, condText := m.maybe(30, w)
	returns := pick(m.dice, "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
	m.note("update %s %s if %v %s returning %s", canonItem(key), text, deref(condText), canonItem(w.values), returns)
	old := m.get(key)
	now, want := m.change(old, key, c, actions)
	out, err := call(m.b, api.UpdateItem, &api.UpdateItemInput{
		TableName: &m.name, Key: key, UpdateExpression: &text, ConditionExpression: condText, ReturnValues: &returns,
		ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values,
	})
	if m.failed(want, err) {
		return
	}
	m.set(key, now)
	switch returns {
	case "NONE":
		m.sameItem(returns, nil, out.Attributes)
	case "ALL_OLD":
		m.sameItem(returns, old, out.Attributes)
	case "ALL_NEW":
		m.sameItem(returns, now, out.Attributes)
	case "UPDATED_OLD":
		if shown, ok := changedPart(old, actions); ok {
			m.sameItem(returns, shown, out.Attributes)
		}
	case "UPDATED_NEW":
		if shown, ok := changedPart(now, actions); ok {
			m.sameItem(returns, shown, out.Attributes)
		}
	}
}

// changedPart are the attributes that the actions name; ok is false where one
// names a part of an attribute.
func changedPart(item avs, actions []action) (avs, bool) {
	out := avs{}
	for _, a := range actions {
		if len(a.path) > 1 {
			return nil, false
		}
		if v, ok := item[a.path[0].name]; ok {
			out[a.path[0].name] = v
		}
	}
	return out, true
}

// projected draws a projection; want applies it.
func (m *mirror) projected(w *writer, percent int, names ...string) (text *string, want func(avs) avs) {
	if !m.chance(percent) {
		return nil, func(item avs) avs { return item }
	}
	chosen := map[string]bool{}
	var parts []string
	for range 1 + m.IntN(3) {
		n := pick(m.dice, names...)
		if !chosen[n] {
			chosen[n] = true
			parts = append(parts, w.path(trail{{name: n}}))
		}
	}
	return new(strings.Join(parts, ", ")), func(item avs) avs {
		out := avs{}
		for n := range chosen {
			if v, ok := item[n]; ok {
				out[n] = v
			}
		}
		return out
	}
}

func (m *mirror) allNames() []string { return append(m.keyNames(), plain...) }

func (m *mirror) getOne() {
	key, w := m.drawKey(), &writer{}
	text, want := m.projected(w, 40, m.allNames()...)
	m.note("get %s of %s", deref(text), canonItem(key))
	out := must(m.b, api.GetItem, &api.GetItemInput{
		TableName: &m.name, Key: key, ProjectionExpression: text, ExpressionAttributeNames: w.names, ConsistentRead: new(m.chance(50)),
	})
	if old := m.get(key); old == nil {
		m.sameItem("item", nil, out.Item)
	} else {
		m.sameItem("item", want(old), out.Item)
	}
}

// view chooses the table or an index.
func (m *mirror) view() (x *mirrorIndex, name *string, hash, rng string) {
	if len(m.indexes) > 0 && m.chance(60) {
		x = &m.indexes[m.IntN(len(m.indexes))]
		return x, &x.name, x.hash, x.rng
	}
	if m.rng == "" {
		return nil, nil, "k", ""
	}
	return nil, nil, "k", "s"
}

// seen are the names that a request on a view may ask for.
func (m *mirror) seen(x *mirrorIndex) []string {
	names := m.allNames()
	if x != nil && !x.local {
		names = slices.DeleteFunc(names, func(n string) bool { return !x.has(m, n) })
	}
	return names
}

// fetches reports whether a local index must look into the table.
func (m *mirror) fetches(x *mirrorIndex, projection *string, names map[string]string) bool {
	if x == nil || !x.local || projection == nil {
		return false
	}
	for _, part := range strings.Split(*projection, ", ") {
		if !x.has(m, names[part]) {
			return true
		}
	}
	return false
}

// spared makes a condition without the keys of a view: a query's filter may
// not name them.
func (m *mirror) spared(keys ...string) *cond {
	for {
		c, w := m.condition(0), &writer{}
		c.write(w)
		if !slices.ContainsFunc(keys, func(n string) bool { return w.names["#"+n] != "" }) {
			return c
		}
	}
}

// keyNamesOf are the key attributes of a view.
func keyNamesOf(x *mirrorIndex, hash, rng string) []string {
	if x != nil {
		return x.keys()
	}
	return []string{hash, rng}
}

func (m *mirror) queryOne() {
	x, index, hash, rng := m.view()
	w := &writer{}
	hashValue := m.scalarOf(m.kind(hash))
	if len(m.items) > 0 && m.chance(70) {
		if v, ok := m.get(m.drawKey())[hash]; ok {
			hashValue = v
		}
	}
	keyCond := &cond{op: "=", terms: []term{{path: trail{{name: hash}}}, {value: hashValue}}}
	also := func(c *cond) { keyCond = &cond{op: "AND", kids: []*cond{keyCond, c}} }
	if x != nil && x.hash2 != "" {
		also(&cond{op: "=", terms: []term{{path: trail{{name: x.hash2}}}, {value: m.scalarOf(m.kind(x.hash2))}}})
	}
	if rng != "" && m.chance(60) {
		c := m.rangeCondition(rng)
		also(c)
		if x != nil && x.rng2 != "" && c.op == "=" {
			also(m.rangeCondition(x.rng2))
		}
	}
	in := &api.QueryInput{
		TableName: &m.name, IndexName: index, KeyConditionExpression: new(keyCond.write(w)), ScanIndexForward: new(m.chance(50)),
		Limit: new(int32(1 + m.IntN(5))), ConsistentRead: new((x == nil || x.local) && m.chance(50)),
	}
	var filter *cond
	if m.chance(40) {
		filter = m.spared(keyNamesOf(x, hash, rng)...)
		in.FilterExpression = new(filter.write(w))
	}
	var want func(avs) avs
	in.ProjectionExpression, want = m.projected(w, 30, m.seen(x)...)
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = w.names, w.values
	m.note("query %s where %s filter %s of %s %s forward %v limit %d", deref(index), *in.KeyConditionExpression, deref(in.FilterExpression),
		deref(in.ProjectionExpression), canonItem(w.values), *in.ScanIndexForward, *in.Limit)

	matched := m.matching(x, keyCond)
	slices.SortStableFunc(matched, func(a, b avs) int {
		order, _ := orderOf(a[rng], b[rng])
		if order == 0 && x != nil && x.rng2 != "" {
			order, _ = orderOf(a[x.rng2], b[x.rng2])
		}
		if !*in.ScanIndexForward {
			order = -order
		}
		return order
	})
	r := m.queryPages(in)
	m.same("scanned", len(matched), r.scanned)
	m.compare(matched, r.items, filter, want, m.fetches(x, in.ProjectionExpression, w.names), x)
	if in.ProjectionExpression == nil && rng != "" {
		left := m.filtered(matched, filter, x, false)
		m.same("order", sortKeys(left, rng), sortKeys(r.items, rng))
		if x != nil && x.rng2 != "" {
			m.same("order", sortKeys(left, x.rng2), sortKeys(r.items, x.rng2))
		}
	}
}

func sortKeys(items []avs, name string) []string {
	var out []string
	for _, it := range items {
		out = append(out, canon(it[name]))
	}
	return out
}

func (m *mirror) rangeCondition(rng string) *cond {
	kind := m.kind(rng)
	path := term{path: trail{{name: rng}}}
	op := pick(m.dice, "=", "<", "<=", ">", ">=", "BETWEEN", "begins_with")
	if op == "begins_with" && kind == "N" {
		op = ">"
	}
	low := term{value: m.scalarOf(kind)}
	if op != "BETWEEN" {
		return &cond{op: op, terms: []term{path, low}}
	}
	high := term{value: m.scalarOf(kind)}
	if order, _ := orderOf(low.value, high.value); order > 0 {
		low, high = high, low
	}
	return &cond{op: op, terms: []term{path, low, high}}
}

// matching are the items of a view that a condition on its keys holds for.
func (m *mirror) matching(x *mirrorIndex, c *cond) []avs {
	var out []avs
	for _, item := range m.items {
		if m.viewed(x, item) != nil && c.holds(item) {
			out = append(out, item)
		}
	}
	return out
}

// filtered are the items that a filter leaves, which sees what the view has.
func (m *mirror) filtered(items []avs, filter *cond, x *mirrorIndex, whole bool) []avs {
	var out []avs
	for _, item := range items {
		shown := item
		if !whole {
			shown = m.viewed(x, item)
		}
		if filter.holds(shown) {
			out = append(out, shown)
		}
	}
	return out
}

func (m *mirror) compare(matched, got []avs, filter *cond, want func(avs) avs, whole bool, x *mirrorIndex) {
	m.b.t.Helper()
	left := m.filtered(matched, filter, x, whole)
	for i := range left {
		left[i] = want(left[i])
	}
	m.same("items", sorted(canonItems(left)), sorted(canonItems(got)))
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// found is what all pages together have.
type found struct {
	items   []avs
	scanned int
}

func (m *mirror) queryPages(in *api.QueryInput) found {
	var r found
	for pages := 0; ; pages++ {
		out := must(m.b, api.Query, in)
		r.take(m, out.Items, *out.Count, *out.ScannedCount, in.Limit)
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil || pages > 1000 {
			return r
		}
	}
}

func (r *found) take(m *mirror, items []avs, count, scanned int32, limit *int32) {
	r.items = append(r.items, items...)
	r.scanned += int(scanned)
	if int(count) != len(items) || limit != nil && scanned > *limit {
		m.b.t.Errorf("a page of %d items counts %d, and scanned %d of at most %v", len(items), count, scanned, *limit)
	}
}

func (m *mirror) scanOne() {
	x, index, _, _ := m.view()
	w := &writer{}
	in := &api.ScanInput{TableName: &m.name, IndexName: index, Limit: new(int32(1 + m.IntN(7)))}
	if m.chance(50) {
		in.Limit = nil
	}
	filter, text := m.maybe(40, w)
	in.FilterExpression = text
	var want func(avs) avs
	in.ProjectionExpression, want = m.projected(w, 30, m.seen(x)...)
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = w.names, w.values
	segments := 1
	if m.chance(40) {
		segments = 1 + m.IntN(6)
		in.TotalSegments = new(int32(segments))
	}
	m.note("scan %s filter %s of %s %s in %d segments", deref(index), deref(text), deref(in.ProjectionExpression), canonItem(w.values), segments)
	var r found
	for segment := range segments {
		if in.TotalSegments != nil {
			in.Segment = new(int32(segment))
		}
		for pages := 0; pages < 1000; pages++ {
			out := must(m.b, api.Scan, in)
			r.take(m, out.Items, *out.Count, *out.ScannedCount, in.Limit)
			if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				break
			}
		}
	}
	matched := m.matching(x, nil)
	m.same("scanned", len(matched), r.scanned)
	m.compare(matched, r.items, filter, want, m.fetches(x, in.ProjectionExpression, w.names), x)
}

// drawKeys makes different keys.
func (m *mirror) drawKeys(n int) []avs {
	var out []avs
	seen := map[string]bool{}
	for range n {
		if k := m.drawKey(); !seen[canonItem(k)] {
			seen[canonItem(k)] = true
			out = append(out, k)
		}
	}
	return out
}

func (m *mirror) batchWrite() {
	var requests []api.WriteRequest
	want := ""
	items := map[string]avs{}
	keys := m.drawKeys(1 + m.IntN(6))
	for _, key := range keys {
		if m.chance(30) {
			requests = append(requests, api.WriteRequest{DeleteRequest: &api.DeleteRequest{Key: key}})
			continue
		}
		item := m.drawItem()
		for n, v := range key {
			item[n] = v
		}
		if !m.fits(item) {
			want = validationText
		}
		items[canonItem(key)] = item
		requests = append(requests, api.WriteRequest{PutRequest: &api.PutRequest{Item: item}})
	}
	m.note("batch write %d", len(requests))
	out, err := call(m.b, api.BatchWriteItem, &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{m.name: requests}})
	if m.failed(want, err) {
		return
	}
	m.same("unprocessed", 0, len(out.UnprocessedItems))
	for _, key := range keys {
		m.set(key, items[canonItem(key)])
	}
}

func (m *mirror) batchGet() {
	w := &writer{}
	keys := m.drawKeys(1 + m.IntN(8))
	text, want := m.projected(w, 40, m.allNames()...)
	m.note("batch get %d of %s", len(keys), deref(text))
	out := must(m.b, api.BatchGetItem, &api.BatchGetItemInput{RequestItems: map[string]api.KeysAndAttributes{
		m.name: {Keys: keys, ProjectionExpression: text, ExpressionAttributeNames: w.names},
	}})
	var all []avs
	for _, k := range keys {
		if old := m.get(k); old != nil {
			all = append(all, want(old))
		}
	}
	m.same("items", sorted(canonItems(all)), sorted(canonItems(out.Responses[m.name])))
}

func (m *mirror) transactWrite() {
	var actions []api.TransactWriteItem
	var wants []string
	failed := false
	after := map[string]avs{}
	keys := m.drawKeys(1 + m.IntN(4))
	for _, key := range keys {
		w := &writer{}
		var ti api.TransactWriteItem
		now, want := m.get(key), ""
		switch m.IntN(4) {
		case 0:
			item := m.drawItem()
			for n, v := range key {
				item[n] = v
			}
			c, text := m.maybe(40, w)
			ti.Put = &api.Put{TableName: &m.name, Item: item, ConditionExpression: text, ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values}
			switch {
			case !m.fits(item): // refuses the request
				return
			case !c.holds(now):
				want = "ConditionalCheckFailed"
			}
			now = item
		case 1:
			update := m.update()
			text := writeUpdate(w, update)
			c, condText := m.maybe(40, w)
			ti.Update = &api.Update{TableName: &m.name, Key: key, UpdateExpression: &text, ConditionExpression: condText, ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values}
			now, want = m.change(now, key, c, update)
			want = map[string]string{refusedText: "ConditionalCheckFailed", validationText: "ValidationError"}[want]
		case 2:
			c, text := m.maybe(40, w)
			ti.Delete = &api.Delete{TableName: &m.name, Key: key, ConditionExpression: text, ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values}
			if !c.holds(now) {
				want = "ConditionalCheckFailed"
			}
			now = nil
		default:
			c, text := m.maybe(100, w)
			ti.ConditionCheck = &api.ConditionCheck{TableName: &m.name, Key: key, ConditionExpression: text, ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values}
			if !c.holds(now) {
				want = "ConditionalCheckFailed"
			}
		}
		if want == "" {
			want = "None"
		} else {
			failed = true
		}
		wants, after[canonItem(key)] = append(wants, want), now
		actions = append(actions, ti)
	}
	want := ""
	if failed {
		want = strings.Join(wants, " ")
	}
	m.note("transact write %d: %v", len(actions), wants)
	_, err := call(m.b, api.TransactWriteItems, &api.TransactWriteItemsInput{TransactItems: actions})
	if m.failed(want, err) {
		return
	}
	for _, key := range keys {
		m.set(key, after[canonItem(key)])
	}
}

func (m *mirror) transactGet() {
	var gets []api.TransactGetItem
	keys := m.drawKeys(1 + m.IntN(5))
	for _, key := range keys {
		gets = append(gets, api.TransactGetItem{Get: &api.Get{TableName: &m.name, Key: key}})
	}
	m.note("transact get %d", len(keys))
	out := must(m.b, api.TransactGetItems, &api.TransactGetItemsInput{TransactItems: gets})
	for i, r := range out.Responses {
		m.sameItem(fmt.Sprintf("item %d", i), m.get(keys[i]), r.Item)
	}
}

// changeIndexes adds or removes a global index.
func (m *mirror) changeIndexes() {
	for i, x := range m.indexes {
		if !x.local && m.chance(50) {
			m.note("drop %s", x.name)
			must(m.b, api.UpdateTable, &api.UpdateTableInput{TableName: &m.name, GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{
				{Delete: &api.DeleteGlobalSecondaryIndexAction{IndexName: &x.name}},
			}})
			m.indexes = slices.Delete(m.indexes, i, i+1)
			return
		}
	}
	x := m.globalIndex(fmt.Sprintf("global-%d", m.IntN(4)))
	if slices.ContainsFunc(m.indexes, func(o mirrorIndex) bool { return o.name == x.name }) {
		return
	}
	m.note("add %+v", x)
	m.indexes = append(m.indexes, x)
	must(m.b, api.UpdateTable, &api.UpdateTableInput{
		TableName: &m.name, AttributeDefinitions: m.definitions(),
		GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{{Create: &api.CreateGlobalSecondaryIndexAction{
			IndexName: &x.name, KeySchema: x.keySchema(), Projection: x.projection(),
		}}},
	})
	if err := m.b.s.fillOnce(context.Background()); err != nil {
		m.b.t.Error(err)
	}
	// Items whose keys are of another type stay out of the index, as AWS does:
	// the mirror has them no more, to stay simple.
	for _, item := range m.items {
		if !m.fits(item) {
			must(m.b, api.DeleteItem, &api.DeleteItemInput{TableName: &m.name, Key: m.keyOf(item)})
			m.set(item, nil)
		}
	}
}
