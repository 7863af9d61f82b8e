package e2e

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// groupItems is how many items a group has: one partition key, one sort key
// each. Transactions and queries stay within a group, so that a history can be
// judged group by group.
const groupItems = 3

// cell is an item as the model sees it. The zero cell is no item.
type cell struct {
	there bool
	// v is the number of the write that set it last, n a counter, and set a set
	// of small numbers, as bits.
	v, n int
	set  uint16
}

// group is the state of a group; it is comparable, as porcupine wants.
type group [groupItems]cell

// rule is the condition of a change.
type rule struct {
	kind string // "" for none, "absent", "present", "v is", "n below"
	arg  int
}

func (r rule) holds(c cell) bool {
	switch r.kind {
	case "absent":
		return !c.there
	case "present":
		return c.there
	case "v is":
		return c.there && c.v == r.arg
	case "n below":
		return c.there && c.n < r.arg
	}
	return true
}

// step is one change, or only a look, at one item.
type step struct {
	item int
	kind string // put, add, take, delete, check, get
	v    int
	bit  uint16
	rule rule
}

// apply gives the item after the step, whose rule holds.
func (s step) apply(c cell) cell {
	switch s.kind {
	case "put":
		return cell{there: true, v: s.v, n: 0, set: s.bit}
	case "add":
		return cell{there: true, v: s.v, n: c.n + 1, set: c.set | s.bit}
	case "take":
		return cell{there: true, v: s.v, n: c.n - 1, set: c.set &^ s.bit}
	case "delete":
		return cell{}
	}
	return c
}

// request is what a client asks for.
type request struct {
	group string
	// kind is one of: write (one step), transact, transactGet, query.
	kind  string
	steps []step
}

// reply is what it was told; the zero reply is that of a request of which
// nobody knows whether it was carried out.
type reply struct {
	known   bool
	refused bool
	// nothing says that the request did nothing, whatever the state was.
	nothing bool
	// failed marks the steps of a transaction whose rules did not hold.
	failed [groupItems]bool
	// seen are the items that were answered: those of the steps, or all.
	seen [groupItems]cell
	has  [groupItems]bool
}

// items is the model that histories are checked against.
var items = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byGroup := map[string][]porcupine.Operation{}
		for _, o := range history {
			name := o.Input.(request).group
			byGroup[name] = append(byGroup[name], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range byGroup {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return group{} },
	Step: func(state, input, output any) (bool, any) {
		return input.(request).judge(state.(group), output.(reply))
	},
	Hash: func(state any) uint64 { return maphash.Comparable(hashSeed, state.(group)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%v -> %v", input, output)
	},
	DescribeState: func(state any) string { return fmt.Sprint(state) },
}

var hashSeed = maphash.MakeSeed()

// judge reports whether a reply is right where the request was carried out in
// this state, and gives the state after it.
func (r request) judge(before group, got reply) (bool, group) {
	if got.nothing {
		return true, before
	}
	after, failed := before, [groupItems]bool{}
	for i, s := range r.steps {
		if !s.rule.holds(before[s.item]) {
			failed[i] = true
		}
		after[s.item] = s.apply(before[s.item])
	}
	refused := slices.Contains(failed[:], true)
	if refused {
		after = before
	}
	if !got.known {
		return true, after
	}
	if got.refused != refused || got.failed != failed {
		return false, before
	}
	for i, has := range got.has {
		if has && got.seen[i] != r.shows(i, refused, before, after) {
			return false, before
		}
	}
	return true, after
}

// shows is the i-th item of the right reply.
func (r request) shows(i int, refused bool, before, after group) cell {
	if r.kind == "query" {
		return before[i]
	}
	s := r.steps[i]
	if s.kind == "add" || s.kind == "take" { // ReturnValues is ALL_NEW
		if !refused {
			return after[s.item]
		}
	}
	return before[s.item]
}

func (r request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.kind, r.group)
	for _, s := range r.steps {
		fmt.Fprintf(&b, " [%s %d v=%d bit=%b", s.kind, s.item, s.v, s.bit)
		if s.rule.kind != "" {
			fmt.Fprintf(&b, " if %s %d", s.rule.kind, s.rule.arg)
		}
		b.WriteByte(']')
	}
	return b.String()
}

func (r reply) String() string {
	switch {
	case r.nothing:
		return "did nothing"
	case !r.known:
		return "unknown"
	}
	var b strings.Builder
	if r.refused {
		fmt.Fprintf(&b, "refused %v ", r.failed)
	}
	for i, has := range r.has {
		if has {
			fmt.Fprintf(&b, "%d=%s ", i, r.seen[i])
		}
	}
	return b.String()
}

func (c cell) String() string {
	if !c.there {
		return "none"
	}
	return fmt.Sprintf("{v=%d n=%d set=%b}", c.v, c.n, c.set)
}
