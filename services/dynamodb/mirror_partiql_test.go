package dynamodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
)

// statement makes a request in PartiQL.
func (m *mirror) statement() {
	switch m.IntN(4) {
	case 0:
		m.insert()
	case 1:
		m.updateStatement()
	case 2:
		m.deleteStatement()
	default:
		m.selectStatement()
	}
}

func (m *mirror) execute(w *writer, text string) ([]avs, error) {
	m.note("%s %s", text, canon(av{L: w.params}))
	in := &api.ExecuteStatementInput{Statement: &text}
	if len(w.params) > 0 {
		in.Parameters = w.params
	}
	var all []avs
	for {
		out, err := call(m.b, api.ExecuteStatement, in)
		if err != nil {
			return nil, err
		}
		all = append(all, out.Items...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}

func (m *mirror) insert() {
	item, w := m.drawItem(), &writer{statement: true}
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(item)) {
		parts = append(parts, fmt.Sprintf("'%s': %s", n, w.value(item[n])))
	}
	want := ""
	switch {
	case !m.fits(item):
		want = validationText
	case m.get(item) != nil:
		want = "DuplicateItemException"
	}
	_, err := m.execute(w, fmt.Sprintf(`INSERT INTO "%s" VALUE {%s}`, m.name, strings.Join(parts, ", ")))
	if !m.failed(want, err) {
		m.set(item, item)
	}
}

// keyed is the condition on the whole key, with which changes find their item.
func (m *mirror) keyed(key avs) *cond {
	var c *cond
	for _, n := range m.keyNames() {
		is := &cond{op: "=", terms: []term{{path: trail{{name: n}}}, {value: key[n]}}}
		if c == nil {
			c = is
		} else {
			c = &cond{op: "AND", kids: []*cond{c, is}}
		}
	}
	return c
}

func (m *mirror) updateStatement() {
	key, w := m.drawKey(), &writer{statement: true}
	var actions []action
	text := fmt.Sprintf(`UPDATE "%s"`, m.name)
	for _, a := range m.update() {
		switch {
		case a.clause == "REMOVE":
			text += " REMOVE " + a.write(w)
		case a.clause == "SET" && (a.form == "value" || a.form == "path"):
			text += " SET " + a.write(w)
		default:
			continue
		}
		actions = append(actions, a)
	}
	if actions == nil {
		return
	}
	c := m.keyed(key)
	where := c
	if m.chance(40) {
		where = &cond{op: "AND", kids: []*cond{c, m.condition(1)}}
	}
	text += " WHERE " + where.write(w)
	old := m.get(key)
	now, want := m.change(old, key, where, actions)
	_, err := m.execute(w, text)
	if !m.failed(want, err) {
		m.set(key, now)
	}
}

func (m *mirror) deleteStatement() {
	key, w := m.drawKey(), &writer{statement: true}
	where := m.keyed(key)
	if m.chance(40) {
		where = &cond{op: "AND", kids: []*cond{where, m.condition(1)}}
	}
	old, want := m.get(key), ""
	// What is not there is deleted already.
	if old != nil && !where.holds(old) {
		want = refusedText
	}
	text := where.write(w)
	if old == nil && len(where.kids) > 0 && m.extra(where) {
		return // AWS does not say
	}
	_, err := m.execute(w, fmt.Sprintf(`DELETE FROM "%s" WHERE %s`, m.name, text))
	if !m.failed(want, err) {
		m.set(key, nil)
	}
}

// extra reports whether there is more than the key in a condition.
func (m *mirror) extra(c *cond) bool {
	return canonCond(c) != canonCond(m.keyed(avs{"k": c.first("k"), "s": c.first("s")}))
}

func canonCond(c *cond) string {
	w := &writer{statement: true}
	return c.write(w)
}

func (c *cond) first(name string) av {
	for _, k := range c.kids {
		if v := k.first(name); v.S != nil || v.N != nil || v.B != nil {
			return v
		}
	}
	if c.op == "=" && c.terms[0].path != nil && c.terms[0].path[0].name == name {
		return c.terms[1].value
	}
	return av{}
}

func (m *mirror) selectStatement() {
	x, index, hash, rng := m.view()
	w := &writer{statement: true}
	from := fmt.Sprintf("%q", m.name)
	if index != nil {
		from += fmt.Sprintf(".%q", *index)
	}
	var where *cond
	if m.chance(60) {
		where = &cond{op: "=", terms: []term{{path: trail{{name: hash}}}, {value: m.scalarOf(m.kind(hash))}}}
	}
	if m.chance(50) {
		c := m.spared(keyNamesOf(x, hash, rng)...) // keys want values of their own type
		if where == nil {
			where = c
		} else {
			where = &cond{op: "AND", kids: []*cond{where, c}}
		}
	}
	text := "SELECT * FROM " + from
	if where != nil {
		text += " WHERE " + where.write(w)
	}
	got, err := m.execute(w, text)
	if m.failed("", err) {
		return
	}
	m.compare(m.matching(x, nil), got, where, func(item avs) avs { return item }, false, x)
}
