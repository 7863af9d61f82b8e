package scalar_test

import (
	"reflect"
	"testing"
	"time"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire/scalar"
)

func TestParseTime(t *testing.T) {
	at := time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)
	tests := []struct {
		format smithy.TimestampFormat
		text   string
		want   time.Time
	}{
		{smithy.TimestampISO8601, "2014-04-29T18:30:38Z", at},
		{smithy.TimestampISO8601, "2014-04-29T18:30:38.5Z", at.Add(500 * time.Millisecond)},
		{smithy.TimestampISO8601, "2014-04-29T20:30:38+02:00", at},
		{smithy.TimestampISO8601, "2014-04-29T20:30:38+0200", at},
		{smithy.TimestampISO8601, "2014-04-29T18:30:38", at},
		{smithy.TimestampISO8601, "2014-04-29T18:30Z", at.Add(-38 * time.Second)},
		{smithy.TimestampISO8601, "2014-04-29", time.Date(2014, 4, 29, 0, 0, 0, 0, time.UTC)},
		{smithy.TimestampISO8601, "1398796238", at},
		{smithy.TimestampEpoch, "1398796238", at},
		{smithy.TimestampEpoch, "1398796238.123456789", at.Add(123456789)},
		{smithy.TimestampEpoch, "1.398796238E9", at},
		{smithy.TimestampEpoch, "-1.5", time.Unix(-2, 5e8)},
		{smithy.TimestampEpoch, ".5", time.Unix(0, 5e8)},
		{smithy.TimestampRFC822, "Tue, 29 Apr 2014 18:30:38 GMT", at},
		{smithy.TimestampRFC822, "Tue, 29 Apr 2014 18:30:38.250 GMT", at.Add(250 * time.Millisecond)},
		{smithy.TimestampRFC822, "Tue, 29 Apr 2014 20:30:38 +0200", at},
		{smithy.TimestampRFC822, "2014-04-29T18:30:38Z", at},
	}
	for _, tt := range tests {
		got, err := scalar.ParseTime(tt.format, tt.text)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "x", "253402300800", "-62135596801", "1e300", "1.2.3", "2014-13-01T00:00:00Z", "NaN"} {
		if got, err := scalar.ParseTime(smithy.TimestampEpoch, text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestAppendTime(t *testing.T) {
	at := time.Date(2014, 4, 29, 18, 30, 38, 120_999_999, time.FixedZone("", 3600))
	tests := []struct {
		format smithy.TimestampFormat
		at     time.Time
		want   string
	}{
		{smithy.TimestampISO8601, at, "2014-04-29T17:30:38.120Z"},
		{smithy.TimestampISO8601, at.Truncate(time.Second), "2014-04-29T17:30:38Z"},
		{smithy.TimestampEpoch, at, "1398792638.12"},
		{smithy.TimestampEpoch, at.Truncate(time.Second), "1398792638"},
		{smithy.TimestampEpoch, time.UnixMilli(-1500), "-1.5"},
		{smithy.TimestampRFC822, at, "Tue, 29 Apr 2014 17:30:38 GMT"},
	}
	for _, tt := range tests {
		if got := string(scalar.AppendTime(nil, tt.format, tt.at)); got != tt.want {
			t.Errorf("%v as %d: %s, want %s", tt.at, tt.format, got, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		kind  smithy.Kind
		into  any
		texts []string
	}{
		{smithy.KindInteger, new(int32), []string{"", "x", "1.5", "2147483648", "0x1", "1_0"}},
		{smithy.KindLong, new(int64), []string{"9223372036854775808"}},
		{smithy.KindDouble, new(float64), []string{"", "inf", "nan", "0x1p-2", "1_0", "1e", ".", "1e999"}},
		{smithy.KindFloat, new(float32), []string{"1e39"}},
		{smithy.KindBoolean, new(bool), []string{"", "1", "yes"}},
		{smithy.KindBlob, new([]byte), []string{"&", "A"}},
		{smithy.KindBigNumber, new(string), []string{"", "x", "1e"}},
		{smithy.KindList, new([]string), []string{"x"}},
	}
	for _, tt := range tests {
		for _, text := range tt.texts {
			if err := scalar.Parse(tt.kind, 0, reflect.ValueOf(tt.into).Elem(), text); err == nil {
				t.Errorf("%q is a value of kind %d", text, tt.kind)
			}
		}
	}
}

// FuzzParseTime wants every time that was read to be written and read again.
func FuzzParseTime(f *testing.F) {
	f.Add(uint8(1), "2014-04-29T18:30:38.123Z")
	f.Add(uint8(2), "-1398796238.5e1")
	f.Add(uint8(1), "-62159356800")
	f.Add(uint8(3), "Tue, 29 Apr 2014 18:30:38 GMT")
	f.Fuzz(func(t *testing.T, format uint8, text string) {
		as := smithy.TimestampFormat(format%3 + 1)
		at, err := scalar.ParseTime(as, text)
		if err != nil {
			return
		}
		first := string(scalar.AppendTime(nil, as, at))
		again, err := scalar.ParseTime(as, first)
		if err != nil {
			t.Fatalf("%q: %v", first, err)
		}
		if second := string(scalar.AppendTime(nil, as, again)); first != second {
			t.Errorf("%q is %q again", first, second)
		}
	})
}
