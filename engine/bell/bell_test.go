package bell

import "testing"

func rung(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBell(t *testing.T) {
	var b Bell
	b.Ring("a") // nobody listens
	if b.Heard() {
		t.Error("it is heard by nobody")
	}
	one, stopOne := b.Listen("a")
	two, stopTwo := b.Listen("a")
	other, stopOther := b.Listen("b")
	b.Ring("a")
	b.Ring("a")
	if !rung(one) || rung(one) || !rung(two) || rung(other) {
		t.Error("not every listener of the topic, once, and no other")
	}
	stopOne()
	stopOne()
	b.Ring("a")
	if rung(one) || !rung(two) || !b.Heard() {
		t.Error("one that has stopped hears, or the others do not")
	}
	stopTwo()
	stopOther()
	if b.Heard() || len(b.topics) != 0 {
		t.Errorf("left over: %v", b.topics)
	}
	var none *Bell
	none.Ring("a")
	if c, stop := none.Listen("a"); rung(c) || none.Heard() {
		t.Error("no bell rings")
	} else {
		stop()
	}
}
