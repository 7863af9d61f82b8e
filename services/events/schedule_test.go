package events

import (
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/sched"
)

func (w *world) schedule(name, expression string, targets ...api.Target) {
	w.t.Helper()
	must(w.t, w.root(), api.PutRule, &api.PutRuleInput{Name: &name, ScheduleExpression: &expression})
	if len(targets) > 0 {
		must(w.t, w.root(), api.PutTargets, &api.PutTargetsInput{Rule: &name, Targets: targets})
	}
}

// asleep waits until nothing is due but timers in the future.
func (w *world) asleep() {
	w.t.Helper()
	w.idle()
	w.until("asleep", func() bool {
		jobs, err := w.sched.Jobs(w.t.Context(), scheduleKind, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Leased || !j.Due.After(w.clk.Now()) {
				return false
			}
		}
		return true
	})
}

func TestSchedulesFire(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.schedule("hourly", "cron(0 * * * ? *)", to("f", functionARN("f")))
	w.clk.Advance(59 * time.Minute)
	w.asleep()
	if got := w.all(); len(got) > 0 {
		t.Fatalf("fired early: %v", got)
	}
	w.clk.Advance(time.Minute)
	got := w.took(1)
	w.asleep()
	if !strings.HasPrefix(got[0].body, `{"version":"0","id":"`) || !strings.HasSuffix(got[0].body,
		`","detail-type":"Scheduled Event","source":"aws.events","account":"`+account+`","time":"2026-03-20T13:00:00Z","region":"eu-west-1","resources":["`+ruleARN("hourly")+`"],"detail":{}}`) {
		t.Errorf("event %s", got[0].body)
	}
	w.clk.Advance(5 * time.Hour) // missed ones are one
	if got := w.took(2)[1].body; !strings.Contains(got, `"time":"2026-03-20T14:00:00Z"`) {
		t.Errorf("event %s", got)
	}
	w.asleep()
	w.clk.Advance(time.Hour)
	if got := w.took(3)[2].body; !strings.Contains(got, `"time":"2026-03-20T19:00:00Z"`) {
		t.Errorf("event %s", got)
	}
	w.asleep()
}

// TestSchedulesOverRestartsAndNodes is E3: what was missed fires once, and two
// nodes do not fire twice.
func TestSchedulesOverRestartsAndNodes(t *testing.T) {
	w := newWorld(t)
	stop := w.run()
	w.schedule("r", "rate(10 minutes)", to("f", functionARN("f")))
	stop()
	w.clk.Advance(35 * time.Minute)
	w.start()
	w.run()
	w.took(1)
	w.asleep()
	deps := w.s.deps
	deps.Sched = sched.New(w.db.Scope([]byte("sched/")), w.clk, ident.NewSeeded(2, w.clk), deps.Log)
	New(deps)
	w.runs(deps.Sched)
	for i := 2; i <= 6; i++ {
		w.clk.Advance(10 * time.Minute)
		w.took(i)
		w.asleep()
	}
	if got := w.all()[5].body; !strings.Contains(got, `"time":"2026-03-20T13:20:30Z"`) {
		t.Errorf("the rate lost its phase: %s", got)
	}
}

func TestSchedulesChange(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.schedule("r", "rate(10 minutes)", to("f", functionARN("f")))
	w.clk.Advance(5 * time.Minute)
	w.schedule("r", "rate(10 minutes)") // the same: it goes on
	w.clk.Advance(5 * time.Minute)
	w.took(1)
	w.asleep()
	must(t, w.root(), api.DisableRule, &api.DisableRuleInput{Name: new("r")})
	w.clk.Advance(time.Hour)
	w.asleep()
	must(t, w.root(), api.EnableRule, &api.EnableRuleInput{Name: new("r")})
	w.clk.Advance(10 * time.Minute)
	w.took(2)
	w.asleep()
	w.schedule("r", "rate(1 day)")
	w.clk.Advance(time.Hour)
	w.asleep()
	w.took(2)
	must(t, w.root(), api.RemoveTargets, &api.RemoveTargetsInput{Rule: new("r"), Ids: []string{"f"}})
	must(t, w.root(), api.DeleteRule, &api.DeleteRuleInput{Name: new("r")})
	if jobs, err := w.sched.Jobs(t.Context(), scheduleKind, 0); err != nil || len(jobs) > 0 {
		t.Errorf("timers left: %v, %v", jobs, err)
	}
	must(t, w.root(), api.CreateEventBus, &api.CreateEventBusInput{Name: new("b")})
	fails(t, w.root(), api.PutRule, &api.PutRuleInput{Name: new("r"), EventBusName: new("b"), ScheduleExpression: new("rate(1 minute)")}, "ValidationException", "ScheduleExpression is supported only on the default event bus.")
	fails(t, w.root(), api.PutRule, &api.PutRuleInput{Name: new("r"), ScheduleExpression: new("rate(1 minutes)")}, "ValidationException", "Parameter ScheduleExpression is not valid.")
	w.schedule("past", "cron(0/5 5 ? JAN 1-5 2022)")
}
