package dynamodb

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/open"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
	"moln.dev/moln/platform/service"
)

const (
	// mirrorTime is how long each store is tried; MOLN_MIRROR_TIME asks for more.
	mirrorTime = time.Second
	// mirrorSteps is how many requests are made of one table.
	mirrorSteps = 150
)

// TestMirror makes requests at random of tables of random schemas and compares
// every answer with the mirror's. A failure names the seed of its table, and
// MOLN_MIRROR_SEED makes the same requests again.
func TestMirror(t *testing.T) {
	limit := mirrorTime
	if text := os.Getenv("MOLN_MIRROR_TIME"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("memory", func(t *testing.T) { mirrorStore(t, limit, "mem:") })
	t.Run("pebble", func(t *testing.T) { mirrorStore(t, limit, "pebble:"+t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { mirrorStore(t, limit, pgtest.Start(t)) })
}

func mirrorStore(t *testing.T, limit time.Duration, url string) {
	db, err := open.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	seed := uint64(time.Now().UnixNano())
	fixed := os.Getenv("MOLN_MIRROR_SEED")
	if fixed != "" {
		if seed, err = strconv.ParseUint(fixed, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	tables := 0
	for end := time.Now().Add(limit); time.Now().Before(end) && !t.Failed(); seed++ {
		mirrorTable(t, db, seed)
		if tables++; fixed != "" {
			break
		}
	}
	t.Logf("%d tables, %d requests each", tables, mirrorSteps)
}

// mirrorIndex is an index of a mirrored table.
type mirrorIndex struct {
	name, hash, rng string
	// hash2 and rng2 are the second attributes of a global index's keys.
	hash2, rng2 string
	local, all  bool
	include     []string
}

// mirror is a table said twice.
type mirror struct {
	dice
	b       *bench
	name    string
	hash    string // types of the key attributes
	rng     string // "" for none
	g, h    string // types of the index keys g and h
	indexes []mirrorIndex
	items   map[string]avs
	log     []string
}

func mirrorTable(t *testing.T, db *kv.DB, seed uint64) {
	clk := clock.NewFake(time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	b := newBenchOn(t, db.Scope(fmt.Appendf(nil, "mirror-%d", seed)), clk, ident.NewSeeded(seed, clk))
	m := &mirror{dice: d, b: b, name: "mirror", items: map[string]avs{}}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("seed %d: panic: %v\n%s", seed, p, debug.Stack())
		}
		if t.Failed() {
			last := m.log[max(0, len(m.log)-12):]
			t.Errorf("MOLN_MIRROR_SEED=%d, table %s, request %d; the last requests were\n%s", seed, m.schema(), len(m.log), strings.Join(last, "\n"))
		}
	}()
	m.create()
	for range mirrorSteps {
		m.step()
		if t.Failed() {
			return
		}
	}
	must(b, api.DeleteTable, &api.DeleteTableInput{TableName: &m.name})
}

// newBenchOn is newBench on a store that is open.
func newBenchOn(t testing.TB, db *kv.DB, clk *clock.Fake, ids *ident.Source) *bench {
	s := New(service.Deps{KV: db, Clock: clk, Ident: ids, Log: slog.New(slog.DiscardHandler)})
	b := &bench{t: t, s: s, ops: map[string]service.Operation{}, clk: clk}
	for _, o := range s.Definition().Operations {
		_, op := o.Of()
		b.ops[op.Name] = o
	}
	return b
}

func (m *mirror) schema() string {
	return fmt.Sprintf("k %s, s %s, g %s, h %s, indexes %+v", m.hash, m.rng, m.g, m.h, m.indexes)
}

// create draws a schema: keys k and s, indexes on g and h.
func (m *mirror) create() {
	kinds := []string{"S", "N", "B"}
	m.hash, m.rng = pick(m.dice, kinds...), pick(m.dice, "", "S", "N", "B")
	m.g, m.h = pick(m.dice, kinds...), pick(m.dice, kinds...)
	in := &api.CreateTableInput{TableName: &m.name, BillingMode: new("PAY_PER_REQUEST"), KeySchema: []api.KeySchemaElement{element("k", "HASH")}}
	if m.rng != "" {
		in.KeySchema = append(in.KeySchema, element("s", "RANGE"))
		for _, name := range []string{"g", "h"}[:m.IntN(3)] {
			x := m.index("local-"+name, "k", name)
			x.local = true
			m.indexes = append(m.indexes, x)
			in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, api.LocalSecondaryIndex{IndexName: &x.name, KeySchema: x.keySchema(), Projection: x.projection()})
		}
	}
	for i := range m.IntN(3) {
		x := m.globalIndex(fmt.Sprintf("global-%d", i))
		m.indexes = append(m.indexes, x)
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, api.GlobalSecondaryIndex{IndexName: &x.name, KeySchema: x.keySchema(), Projection: x.projection()})
	}
	in.AttributeDefinitions = m.definitions()
	must(m.b, api.CreateTable, in)
}

func (m *mirror) globalIndex(name string) mirrorIndex {
	keys := [][2]string{{"g", ""}, {"g", "h"}, {"h", "g"}, {"g", "k"}, {"h", "k"}}
	if m.rng != "" {
		keys = append(keys, [2]string{"s", "k"}, [2]string{"s", "g"}, [2]string{"g", "s"})
	}
	k := pick(m.dice, keys...)
	x := m.index(name, k[0], k[1])
	for _, more := range []*string{&x.hash2, &x.rng2} {
		n := pick(m.dice, m.keyNames()[0], "g", "h")
		if m.chance(25) && !slices.Contains(x.keys(), n) && (more == &x.hash2 || x.rng != "") {
			*more = n
		}
	}
	return x
}

// keys are all key attributes.
func (x *mirrorIndex) keys() []string {
	return slices.DeleteFunc([]string{x.hash, x.hash2, x.rng, x.rng2}, func(n string) bool { return n == "" })
}

func (m *mirror) index(name, hash, rng string) mirrorIndex {
	x := mirrorIndex{name: name, hash: hash, rng: rng}
	switch m.IntN(3) {
	case 0:
		x.all = true
	case 1:
		x.include = []string{pick(m.dice, "p", "q")}
	}
	return x
}

func (x *mirrorIndex) keySchema() []api.KeySchemaElement {
	var out []api.KeySchemaElement
	for _, n := range x.keys() {
		kind := "RANGE"
		if n == x.hash || n == x.hash2 {
			kind = "HASH"
		}
		out = append(out, element(n, kind))
	}
	return out
}

func (x mirrorIndex) projection() *api.Projection {
	switch {
	case x.all:
		return &api.Projection{ProjectionType: new("ALL")}
	case x.include != nil:
		return &api.Projection{ProjectionType: new("INCLUDE"), NonKeyAttributes: x.include}
	}
	return &api.Projection{ProjectionType: new("KEYS_ONLY")}
}

func (m *mirror) kind(name string) string {
	return map[string]string{"k": m.hash, "s": m.rng, "g": m.g, "h": m.h}[name]
}

// definitions are those of the attributes that are keys of something.
func (m *mirror) definitions() []api.AttributeDefinition {
	used := map[string]bool{"k": true, "s": m.rng != ""}
	for _, x := range m.indexes {
		for _, n := range x.keys() {
			used[n] = true
		}
	}
	var out []api.AttributeDefinition
	for _, n := range []string{"k", "s", "g", "h"} {
		if used[n] {
			out = append(out, definition(n, m.kind(n)))
		}
	}
	return out
}

// keyNames are the table's key attributes.
func (m *mirror) keyNames() []string {
	if m.rng == "" {
		return []string{"k"}
	}
	return []string{"k", "s"}
}

func (m *mirror) keyOf(item avs) avs {
	out := avs{}
	for _, n := range m.keyNames() {
		out[n] = item[n]
	}
	return out
}

// drawKey makes a key, of few so that they are met again.
func (m *mirror) drawKey() avs {
	if len(m.items) > 0 && m.chance(50) {
		all := slices.Sorted(maps.Keys(m.items))
		return m.keyOf(m.items[pick(m.dice, all...)])
	}
	key := avs{"k": m.scalarOf(m.hash)}
	if m.rng != "" {
		key["s"] = m.scalarOf(m.rng)
	}
	return key
}

func (m *mirror) drawItem() avs {
	item := m.drawKey()
	for _, n := range plain {
		if m.chance(60) {
			item[n] = m.value(0)
		}
		if kind := m.kind(n); kind != "" && item[n].S != nil || kind != "" && m.chance(90) {
			item[n] = m.scalarOf(kind)
			if m.chance(25) {
				delete(item, n)
			}
		}
	}
	return item
}

// fits reports whether index keys are of the right types.
func (m *mirror) fits(item avs) bool {
	for _, x := range m.indexes {
		for _, n := range x.keys() {
			if v, ok := item[n]; ok && kindOf(v) != m.kind(n) {
				return false
			}
		}
	}
	return true
}

func (m *mirror) get(key avs) avs { return m.items[canonItem(m.keyOf(key))] }

func (m *mirror) set(key, item avs) {
	if item == nil {
		delete(m.items, canonItem(m.keyOf(key)))
		return
	}
	m.items[canonItem(m.keyOf(key))] = item
}

// viewed is an item as an index has it; nil where it does not.
func (m *mirror) viewed(x *mirrorIndex, item avs) avs {
	if x == nil {
		return item
	}
	names := append(m.keyNames(), x.keys()...)
	for _, n := range names {
		if _, ok := item[n]; !ok {
			return nil
		}
	}
	if x.all {
		return item
	}
	out := avs{}
	for n, v := range item {
		if slices.Contains(names, n) || slices.Contains(x.include, n) {
			out[n] = v
		}
	}
	return out
}

func (x *mirrorIndex) has(m *mirror, name string) bool {
	return x.all || slices.Contains(m.keyNames(), name) || slices.Contains(x.keys(), name) || slices.Contains(x.include, name)
}

// note keeps what was asked for.
func (m *mirror) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%d: ", len(m.log)+1)+fmt.Sprintf(format, args...))
}

// code is the code of an answer's fault; a cancelled transaction's has its
// reasons.
func code(err error) string {
	f := fault.As(err)
	switch {
	case err == nil:
		return ""
	case f == nil:
		return err.Error()
	}
	if body, ok := f.Body.(*api.TransactionCanceledException); ok {
		var reasons []string
		for _, r := range body.CancellationReasons {
			reasons = append(reasons, *r.Code)
		}
		return strings.Join(reasons, " ")
	}
	return f.Code
}

// same compares what was answered with what the mirror says.
func (m *mirror) same(what string, want, got any) bool {
	m.b.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		m.b.t.Errorf("%s (-mirror +answer):\n%s", what, d)
		return false
	}
	return true
}

// failed compares the answer's fault, and reports whether there is one.
func (m *mirror) failed(want string, err error) bool {
	m.b.t.Helper()
	if got := code(err); got != want {
		var f *fault.Fault
		errors.As(err, &f)
		m.b.t.Errorf("the fault is %q (%v), the mirror says %q", got, err, want)
		return true
	}
	return err != nil
}

func (m *mirror) sameItem(what string, want, got avs) {
	m.b.t.Helper()
	if got == nil {
		got = avs{}
	}
	if want == nil {
		want = avs{}
	}
	m.same(what, canonItem(want), canonItem(got))
}

const (
	refusedText    = "ConditionalCheckFailedException"
	validationText = "ValidationException"
)

// step makes one request.
func (m *mirror) step() {
	switch n := m.IntN(100); {
	case n < 18:
		m.putOne()
	case n < 34:
		m.updateOne()
	case n < 40:
		m.deleteOne()
	case n < 46:
		m.getOne()
	case n < 64:
		m.queryOne()
	case n < 74:
		m.scanOne()
	case n < 78:
		m.batchWrite()
	case n < 81:
		m.batchGet()
	case n < 87:
		m.transactWrite()
	case n < 89:
		m.transactGet()
	case n < 98:
		m.statement()
	default:
		m.changeIndexes()
	}
}
