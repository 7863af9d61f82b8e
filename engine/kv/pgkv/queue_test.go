package pgkv

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"moln.dev/moln/engine/kv/driver"
)

// keyIn returns the n-th key of a lane.
func keyIn(lane, n int) []byte {
	for i := 0; ; i++ {
		if k := fmt.Appendf(nil, "%d", i); laneOf(k) == lane {
			if n == 0 {
				return k
			}
			n--
		}
	}
}

// callOf makes a commit of words such as "r1.0" and "w2.5": it reads the first
// key of lane 1 and writes the sixth of lane 2.
func callOf(words string) *commitCall {
	var reads []readPoint
	b := &driver.Batch{}
	for w := range strings.FieldsSeq(words) {
		var kind rune
		var lane, n int
		if _, err := fmt.Sscanf(w, "%c%d.%d", &kind, &lane, &n); err != nil {
			panic(err)
		}
		if kind == 'r' {
			reads = append(reads, readPoint{key: keyIn(lane, n)})
		} else {
			b.Points = append(b.Points, driver.Write{Key: keyIn(lane, n)})
		}
	}
	return newCommitCall(reads, b)
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name    string
		busy    []string // a group each
		waiting []string
		want    []int // those that are sent
	}{
		{"lanes together", nil, []string{"w1.0", "w2.0", "w3.0 w4.0"}, []int{0, 1, 2}},
		{"one key twice", nil, []string{"w1.0", "w1.0", "w1.1"}, []int{0, 2}},
		{"read after written", nil, []string{"w1.0", "r1.0 w2.0", "w2.0"}, []int{0}},
		{"written after read", nil, []string{"r1.0 w2.0", "w1.0"}, []int{0, 1}},
		{"a lane that is written", []string{"w1.0"}, []string{"w1.1", "r1.2 w2.0", "w3.0"}, []int{2}},
		{"a lane that is read", []string{"r1.0 w2.0"}, []string{"w1.1", "w3.0"}, []int{1}},
		{"a lane that both read", []string{"r1.0 w2.0"}, []string{"r1.0 w3.0"}, []int{0}},
		{"nobody passes who waits", []string{"w1.0"}, []string{"w1.1 w2.0", "w2.1", "w3.0"}, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var q commitQueue
			for i, words := range c.busy {
				call := callOf(words)
				q.busy[i] = commitGroup{[]*commitCall{call}, call.lanes}
			}
			for _, words := range c.waiting {
				q.waiting = append(q.waiting, callOf(words))
			}
			g, left := q.choose()
			var got []int
			for i, call := range q.waiting {
				if slices.Contains(g.calls, call) {
					got = append(got, i)
				}
				if slices.Contains(g.calls, call) == slices.Contains(left, call) {
					t.Errorf("call %d is both sent and left, or neither", i)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("sent %v, want %v", got, c.want)
			}
		})
	}
}

// TestChooseMany has so many waiting that they are not one group.
func TestChooseMany(t *testing.T) {
	var q commitQueue
	for i := range 2 * enoughCommits {
		q.waiting = append(q.waiting, callOf(fmt.Sprintf("w%d.%d", i%2+1, i)))
	}
	// Both lanes are taken before there is enough.
	if g, _ := q.choose(); len(g.calls) != 2*enoughCommits {
		t.Errorf("of two lanes in turn %d of %d are sent", len(g.calls), 2*enoughCommits)
	}
	slices.SortStableFunc(q.waiting, func(a, b *commitCall) int { return int(a.lanes.written) - int(b.lanes.written) })
	g, left := q.choose()
	if len(g.calls) != enoughCommits || len(left) != enoughCommits {
		t.Errorf("of two lanes, one after the other, %d of %d are sent", len(g.calls), 2*enoughCommits)
	}
	q.waiting = nil
	for i := range maxCommits + 1 {
		q.waiting = append(q.waiting, callOf(fmt.Sprintf("w1.%d", i)))
	}
	if g, left := q.choose(); len(g.calls) != maxCommits || len(left) != 1 {
		t.Errorf("of %d in one lane %d are sent, %d left", maxCommits+1, len(g.calls), len(left))
	}
	q.waiting = q.waiting[:3]
	for _, c := range q.waiting {
		c.bytes = maxCommitBytes/2 + 1
	}
	if g, left := q.choose(); len(g.calls) != 1 || len(left) != 2 {
		t.Errorf("of three large ones %d are sent", len(g.calls))
	}
}

// TestWorthIt: few do not travel beside many, and a lone one goes at once.
func TestWorthIt(t *testing.T) {
	var q commitQueue
	if !q.worthIt(1) {
		t.Error("a lone commit waits for nothing")
	}
	q.busy[0].calls = make([]*commitCall, 8)
	if q.worthIt(7) || !q.worthIt(8) {
		t.Error("beside 8 that are under way 8 may travel, 7 wait for more")
	}
	q.busy[0].calls = make([]*commitCall, maxCommits)
	if !q.worthIt(enoughCommits) {
		t.Error("enough may travel beside any number")
	}
}
