package pool

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

func frame(text string) string {
	head := make([]byte, frameHeader)
	binary.BigEndian.PutUint32(head, frameKind|3|12)
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head) + text
}

func TestCollectorSplits(t *testing.T) {
	long := strings.Repeat("x", logRecordMax+1)
	for _, tc := range []struct {
		name   string
		framed bool
		writes []string
		want   []string
	}{
		{"lines", false, []string{"a\nb", "c\r\n", "\n"}, []string{"a", "bc", ""}},
		{"unended", false, []string{"a"}, []string{"a"}},
		{"long line", false, []string{long + "\n"}, []string{long[:logRecordMax], "x"}},
		{"frames", true, []string{frame("a\nb") + frame("c")}, []string{"a\nb", "c"}},
		{"frame in parts", true, []string{frame("abc")[:5], frame("abc")[5:17], frame("abc")[17:]}, []string{"abc"}},
		{"no frame", true, []string{"some text without frame\n" + frame("x")}, []string{"some text without frame", "x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			c := &collector{now: time.Now, sink: func(r LogRecord) { got = append(got, r.Line) }}
			p := &pipeReader{framed: tc.framed}
			for _, w := range tc.writes {
				c.take(p, []byte(w))
			}
			c.flush(p)
			if strings.Join(got, "|") != strings.Join(tc.want, "|") {
				t.Errorf("got %d records, want %d", len(got), len(tc.want))
			}
		})
	}
}

func TestAppendTailKeepsTheEnd(t *testing.T) {
	tail := appendTail(nil, []byte(strings.Repeat("a", LogTailBytes)))
	tail = appendTail(tail, []byte("end"))
	if len(tail) != LogTailBytes || !strings.HasSuffix(string(tail), "\nend\n") {
		t.Errorf("%d bytes, ends %q", len(tail), tail[len(tail)-8:])
	}
}

func FuzzCollector(f *testing.F) {
	f.Add([]byte("a\nb"), true)
	f.Add([]byte(frame("x")), true)
	f.Fuzz(func(t *testing.T, data []byte, framed bool) {
		n := 0
		c := &collector{now: time.Now, sink: func(r LogRecord) { n += len(r.Line) }}
		p := &pipeReader{framed: framed}
		c.take(p, data)
		c.flush(p)
		if n > len(data) {
			t.Errorf("%d bytes of records out of %d", n, len(data))
		}
	})
}
