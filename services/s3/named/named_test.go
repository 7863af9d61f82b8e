package named

import (
	"fmt"
	"slices"
	"testing"

	"moln.dev/moln/aws/fault"
)

type conf struct{ name, says string }

func name(c *conf) string { return c.name }

var id ID[conf] = name

func TestPut(t *testing.T) {
	var all []conf
	for _, c := range []conf{{"b", "1"}, {"c", "1"}, {"a", "1"}, {"b", "2"}} {
		before := slices.Clone(all)
		next, err := id.Put(all, c)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(all, before) {
			t.Error("the list before was changed")
		}
		all = next
	}
	if want := []conf{{"a", "1"}, {"b", "2"}, {"c", "1"}}; !slices.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
}

func many(n int) []conf {
	all := make([]conf, n)
	for i := range all {
		all[i].name = fmt.Sprintf("%04d", i)
	}
	return all
}

func TestThereAreOnlySoMany(t *testing.T) {
	all := many(Max)
	if _, err := id.Put(all, conf{name: "x"}); !fault.Is(err, "TooManyConfigurations") {
		t.Errorf("one too many: %v", err)
	}
	if _, err := id.Put(all, conf{name: "0007"}); err != nil {
		t.Errorf("one in place of another: %v", err)
	}
}

func TestFindAndDrop(t *testing.T) {
	all := []conf{{"a", "1"}, {"b", "2"}}
	if c, err := id.Find(all, "b"); err != nil || c != &all[1] {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := id.Find(all, "x"); !fault.Is(err, "NoSuchConfiguration") {
		t.Errorf("%v", err)
	}
	if rest, err := id.Drop(all, "a"); err != nil || !slices.Equal(rest, []conf{{"b", "2"}}) || all[0].name != "a" {
		t.Errorf("%v of %v, %v", rest, all, err)
	}
	if _, err := id.Drop(all, "x"); !fault.Is(err, "NoSuchConfiguration") {
		t.Errorf("%v", err)
	}
}

func TestPages(t *testing.T) {
	for _, n := range []int{0, 1, pageMax, pageMax + 1, 3*pageMax - 1} {
		all, token := many(n), ""
		var got []conf
		for {
			page, next := id.Page(all, token)
			got = append(got, page...)
			if len(page) > pageMax {
				t.Fatalf("a page of %d", len(page))
			}
			if next == nil {
				break
			}
			token = *next
		}
		if !slices.Equal(got, all) {
			t.Errorf("of %d the pages have %d", n, len(got))
		}
	}
	if page, _ := id.Page(many(3), "0000x"); len(page) != 2 {
		t.Errorf("after a token that is nobody's id: %v", page)
	}
}
