package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/services/dynamodb/item"
)

func text(name, s string) item.Attr {
	return item.Attr{Name: name, Value: item.Value{Kind: item.String, Text: s}}
}

func TestOf(t *testing.T) {
	old, new := item.Map{text("a", "1"), text("k", "key")}, item.Map{text("a", "2"), text("k", "key")}
	keys := item.Map{text("k", "key")}
	tests := []struct {
		name     string
		view     string
		old, new item.Map
		want     Record
		changed  bool
	}{
		{"nothing", "KEYS_ONLY", nil, nil, Record{}, false},
		{"the same", "NEW_IMAGE", old, old.Clone(), Record{}, false},
		{"insert", "NEW_AND_OLD_IMAGES", nil, new, Record{Keys: keys, New: new, Event: Insert}, true},
		{"modify, new", "NEW_IMAGE", old, new, Record{Keys: keys, New: new, Event: Modify}, true},
		{"modify, old", "OLD_IMAGE", old, new, Record{Keys: keys, Old: old, Event: Modify}, true},
		{"remove, keys", "KEYS_ONLY", old, nil, Record{Keys: keys, Event: Remove}, true},
		{"remove, new", "NEW_IMAGE", old, nil, Record{Keys: keys, Event: Remove}, true},
	}
	for _, tt := range tests {
		got, changed := Of([]string{"k"}, ViewOf(tt.view), tt.old, tt.new)
		if !changed {
			got = Record{}
		}
		if d := cmp.Diff(tt.want, got); d != "" || changed != tt.changed {
			t.Errorf("%s: changed is %v, %s", tt.name, changed, d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := Record{Keys: item.Map{text("k", "key")}, Old: item.Map{}, New: item.Map{text("k", "key")}, Event: Modify, Expired: true}
	f.Add(r.Append(nil))
	f.Add([]byte{version, hasNew, byte(Insert), 2, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(r.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again); d != "" {
			t.Error(d)
		}
	})
}
