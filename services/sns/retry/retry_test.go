package retry

import (
	"slices"
	"testing"
	"time"
)

// delays are those of all retries, in seconds.
func delays(p Policy) []float64 {
	var out []float64
	for n := 1; ; n++ {
		d, more := p.Delay(n)
		if !more {
			return out
		}
		out = append(out, d.Seconds())
	}
}

func TestSchedules(t *testing.T) {
	if got := delays(HTTP); !slices.Equal(got, []float64{20, 20, 20}) {
		t.Error(got)
	}
	managed := delays(Managed)
	if len(managed) != 100_015 || !slices.Equal(managed[:5], []float64{0, 0, 0, 1, 1}) || managed[5] != 1 || managed[14] != 20 || managed[100_014] != 20 {
		t.Errorf("%d: %v", len(managed), managed[:20])
	}
	if total := Managed.Total(); total < 23*24*time.Hour || total > 24*24*time.Hour {
		t.Error(total)
	}
	customer := delays(Customer)
	if len(customer) != 50 || !slices.Equal(customer[:3], []float64{10, 10, 10}) || customer[11] != 600 || customer[49] != 600 {
		t.Errorf("%d: %v", len(customer), customer)
	}
	if total := Customer.Total(); total < 6*time.Hour || total > 8*time.Hour {
		t.Error(total)
	}
	for f, want := range map[string][]float64{
		linear: {10, 20, 30, 40, 50}, arithmetic: {10, 14, 22, 34, 50}, geometric: {10, 12.5, 20, 32.5, 50},
	} {
		p := Policy{MinDelayTarget: 10, MaxDelayTarget: 50, NumRetries: 5, BackoffFunction: f}
		got := delays(p)
		if f == arithmetic {
			if got[0] != 10 || got[4] != 50 || !slices.IsSorted(got) || got[2]-got[1] <= got[1]-got[0] {
				t.Errorf("%s: %v", f, got)
			}
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", f, got, want)
		}
	}
	all := Policy{MinDelayTarget: 1, MaxDelayTarget: 9, NumRetries: 8, NumNoDelayRetries: 2, NumMinDelayRetries: 1, NumMaxDelayRetries: 2, BackoffFunction: linear}
	if got := delays(all); !slices.Equal(got, []float64{0, 0, 1, 1, 5, 9, 9, 9}) {
		t.Error(got)
	}
}

func TestPolicies(t *testing.T) {
	topic, err := ParseTopicPolicy(`{"http":{"defaultHealthyRetryPolicy":{"numRetries":1},"defaultThrottlePolicy":{"maxReceivesPerSecond":5},"defaultRequestPolicy":{"headerContentType":"application/json"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ParseSubscriptionPolicy(`{"healthyRetryPolicy":{"numRetries":7},"requestPolicy":{"headerContentType":"text/csv; charset=UTF-8"}}`)
	if err != nil {
		t.Fatal(err)
	}
	e := own.Under(topic)
	if e.Retry.NumRetries != 7 || e.PerSecond != 5 || e.ContentType != "text/csv; charset=UTF-8" {
		t.Errorf("%+v", e)
	}
	topic.HTTP.DisableOverrides = true
	e = own.Under(topic)
	if e.Retry.NumRetries != 1 || e.ContentType != "application/json" {
		t.Errorf("%+v", e)
	}
	if want := `{"healthyRetryPolicy":{"numRetries":7},"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/csv; charset=UTF-8"},"guaranteed":false}`; own.JSON() != want {
		t.Error(own.JSON())
	}
	for _, text := range []string{
		`{`, `[]`, `{"http":{}} {}`, `{"what":1}`, `{"http":{"what":1}}`,
		`{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}`, `{"http":{"defaultHealthyRetryPolicy":{"numRetries":-1}}}`,
		`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":0}}}`, `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":30}}}`,
		`{"http":{"defaultHealthyRetryPolicy":{"maxDelayTarget":3601}}}`, `{"http":{"defaultHealthyRetryPolicy":{"numNoDelayRetries":4}}}`,
		`{"http":{"defaultHealthyRetryPolicy":{"backoffFunction":"wild"}}}`, `{"http":{"defaultHealthyRetryPolicy":{"numRetries":100,"minDelayTarget":100,"maxDelayTarget":100}}}`,
		`{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":0}}}`, `{"http":{"defaultRequestPolicy":{"headerContentType":"image/png"}}}`,
		"{\"http\":{\"defaultRequestPolicy\":{\"headerContentType\":\"text/csv;\\r\\nX: y\"}}}",
	} {
		if _, err := ParseTopicPolicy(text); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	for _, text := range []string{`{"sicklyRetryPolicy":{}}`, `{"guaranteed":true}`, `{"http":{}}`} {
		if _, err := ParseSubscriptionPolicy(text); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"healthyRetryPolicy":{"numRetries":7,"backoffFunction":"geometric"},"throttlePolicy":{"maxReceivesPerSecond":3}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseSubscriptionPolicy(text)
		if err != nil {
			return
		}
		if q, err := ParseSubscriptionPolicy(p.JSON()); err != nil || q.JSON() != p.JSON() {
			t.Errorf("%s -> %s: %v", text, p.JSON(), err)
		}
		if p.Under(TopicPolicy{}).Retry.Total() > totalMax {
			t.Error("tries for too long")
		}
	})
}

// Numbers whose sum is beyond all numbers are too many.
func TestRetriesBeyondNumbers(t *testing.T) {
	text := `{"healthyRetryPolicy":{"numRetries":3,"numNoDelayRetries":9223372036854775807,"numMinDelayRetries":9223372036854775807}}`
	if p, err := ParseSubscriptionPolicy(text); err == nil {
		t.Errorf("%+v is taken", p)
	}
}
