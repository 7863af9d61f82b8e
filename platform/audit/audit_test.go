package audit

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestNewestIsBoundedAndNewestFirst(t *testing.T) {
	l, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range RecordsMax + 5 {
		l.Add(Record{RequestID: fmt.Sprint(i)})
	}
	got := l.Newest(2, nil)
	if got[0].RequestID != fmt.Sprint(RecordsMax+4) || got[1].RequestID != fmt.Sprint(RecordsMax+3) {
		t.Errorf("newest = %v, %v", got[0].RequestID, got[1].RequestID)
	}
	all := l.Newest(RecordsMax*2, nil)
	if len(all) != RecordsMax || all[len(all)-1].RequestID != "5" {
		t.Errorf("kept %d, oldest %s", len(all), all[len(all)-1].RequestID)
	}
	one := l.Newest(1, func(r *Record) bool { return r.RequestID == "77" })
	if len(one) != 1 {
		t.Errorf("record 77 not found")
	}
}

func TestFileHoldsEveryRecord(t *testing.T) {
	dir := t.TempDir()
	l, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		l.Add(Record{RequestID: fmt.Sprint(i)})
	}
	l.Close()
	f, err := os.Open(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		lines++
	}
	if lines+int(l.Dropped()) != 100 {
		t.Errorf("%d lines and %d dropped, want 100 together", lines, l.Dropped())
	}
}
