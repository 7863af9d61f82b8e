package run

import (
	"strings"
	"testing"
)

const someRoot = "1-67891233-abcdef012345678912345678"

func TestTraceCounts(t *testing.T) {
	header := "Root=" + someRoot + ";Parent=463ac35c9f6413ad;Sampled=1;Lineage=25:a87bd80c:1|68fd508a:5"
	for i := 1; i <= loopMax+1; i++ {
		tr := parseTrace(header)
		if got := tr.enter("arn:f"); got != i {
			t.Fatalf("hop %d is counted as %d in %s", i, got, header)
		}
		header = tr.header()
	}
	if want := "Root=" + someRoot + ";Parent=463ac35c9f6413ad;Sampled=1;Lineage=23:a87bd80c:1|68fd508a:5|" + lineageID("arn:f") + ":17"; header != want {
		t.Errorf("header %s", header)
	}
}

func TestTraceOfStrangers(t *testing.T) {
	for _, header := range []string{"", "Root=x", "Lineage=", "Lineage=1", "Lineage=1:zz:1", "Root=1-2-3;Lineage=1:a87bd80c:-1"} {
		if tr := parseTrace(header); tr.root != "" || len(tr.hops) != 0 {
			t.Errorf("%q gives %+v", header, tr)
		}
	}
}

func FuzzTrace(f *testing.F) {
	f.Add("Root=" + someRoot + ";Parent=463ac35c9f6413ad;Sampled=1;Lineage=25:a87bd80c:1|68fd508a:5")
	f.Fuzz(func(t *testing.T, header string) {
		tr := parseTrace(header)
		tr.enter("arn:f")
		again := parseTrace(tr.header())
		if again.root != tr.root || len(again.hops) != len(tr.hops) || strings.ContainsAny(again.root, "\r\n") {
			t.Errorf("%q becomes %+v, then %+v", header, tr, again)
		}
	})
}
