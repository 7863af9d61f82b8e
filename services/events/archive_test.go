package events

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/events"
)

func TestArchivesAndReplays(t *testing.T) {
	w := newWorld(t)
	stop := w.run()
	defer stop()
	c := w.root()
	k := busKey{place{account, region}, "b"}
	busARN, archiveARN := k.arn(), archiveKey{k.place, "a"}.arn()
	fails(t, c, api.CreateArchive, &api.CreateArchiveInput{ArchiveName: new("a"), EventSourceArn: &busARN}, "ResourceNotFoundException", "Event bus b does not exist.")
	must(t, c, api.CreateEventBus, &api.CreateEventBusInput{Name: new("b")})
	must(t, c, api.CreateArchive, &api.CreateArchiveInput{ArchiveName: new("a"), EventSourceArn: &busARN, EventPattern: new(`{"source":["s"]}`), RetentionDays: new(int32(2))})
	fails(t, c, api.CreateArchive, &api.CreateArchiveInput{ArchiveName: new("a"), EventSourceArn: &busARN}, "ResourceAlreadyExistsException", "Archive a already exists.")
	var ids []string
	for i := range 250 {
		e := entry("s", "t", `{"n":`+strconv.Itoa(i)+`}`)
		e.EventBusName, e.Time = new("b"), new(begin.Add(time.Duration(i)*time.Second))
		ids = append(ids, w.put(c, e)...)
	}
	out := entry("other", "t", "{}")
	out.EventBusName = new("b")
	w.put(c, out)
	d := must(t, c, api.DescribeArchive, &api.DescribeArchiveInput{ArchiveName: new("a")})
	if *d.EventCount != 250 || *d.SizeBytes < 250*100 {
		t.Errorf("%d events, %d bytes", *d.EventCount, *d.SizeBytes)
	}
	w.rule("b", "r", `{"source":["s"]}`, to("f", functionARN("f")))
	w.rule("b", "other", `{"source":["s"]}`, to("f", functionARN("not")))
	start := &api.StartReplayInput{
		ReplayName: new("one"), EventSourceArn: &archiveARN, EventStartTime: new(begin.Add(10 * time.Second)), EventEndTime: new(begin.Add(240 * time.Second)),
		Destination: &api.ReplayDestination{Arn: &busARN, FilterArns: []string{ruleKey{k, "r"}.arn()}},
	}
	if got := must(t, c, api.StartReplay, start); *got.State != api.ReplayStateStarting {
		t.Errorf("state %s", *got.State)
	}
	got := w.took(230)
	w.idle()
	if !strings.Contains(got[0].body, `"region":"eu-west-1","replay-name":"one","resources"`) {
		t.Errorf("event %s", got[0].body)
	}
	seen := map[string]bool{}
	for _, m := range got {
		seen[m.to] = true
	}
	if d := cmp.Diff(map[string]bool{functionARN("f"): true}, seen); d != "" {
		t.Error(d)
	}
	w.until("completed", func() bool {
		return *must(t, c, api.DescribeReplay, &api.DescribeReplayInput{ReplayName: new("one")}).State == api.ReplayStateCompleted
	})
	fails(t, c, api.StartReplay, start, "ResourceAlreadyExistsException", "Replay one already exists.")
	fails(t, c, api.CancelReplay, &api.CancelReplayInput{ReplayName: new("one")}, "IllegalStatusException", "")
	for _, x := range []struct {
		change  func(in *api.StartReplayInput)
		message string
	}{
		{func(in *api.StartReplayInput) { in.EventSourceArn = new(archiveARN + "x") }, "Parameter EventSourceArn is not valid. Reason: Archive ax does not exist."},
		{func(in *api.StartReplayInput) { in.EventEndTime = in.EventStartTime }, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."},
		{func(in *api.StartReplayInput) {
			in.Destination = &api.ReplayDestination{Arn: new(busKey{k.place, "default"}.arn())}
		}, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."},
	} {
		in := *start
		in.ReplayName = new("two")
		x.change(&in)
		fails(t, c, api.StartReplay, &in, "ValidationException", x.message)
	}
	if d := must(t, c, api.DescribeArchive, &api.DescribeArchiveInput{ArchiveName: new("a")}); *d.EventCount != 250 {
		t.Errorf("replays are archived: %d", *d.EventCount)
	}
	w.clk.Advance(49 * time.Hour)
	w.until("expired", func() bool {
		return *must(t, c, api.DescribeArchive, &api.DescribeArchiveInput{ArchiveName: new("a")}).EventCount == 0
	})
	must(t, c, api.DeleteArchive, &api.DeleteArchiveInput{ArchiveName: new("a")})
	fails(t, c, api.DescribeArchive, &api.DescribeArchiveInput{ArchiveName: new("a")}, "ResourceNotFoundException", "Archive a does not exist.")
	if l := must(t, c, api.ListReplays, &api.ListReplaysInput{EventSourceArn: &archiveARN}); len(l.Replays) != 1 || ids == nil {
		t.Errorf("replays %+v", l.Replays)
	}
}

func TestReplaysAreCancelled(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	busARN := busKey{place{account, region}, "default"}.arn()
	must(t, c, api.CreateArchive, &api.CreateArchiveInput{ArchiveName: new("a"), EventSourceArn: &busARN})
	w.rule("", "r", `{"source":["s"]}`, to("f", functionARN("f")))
	must(t, c, api.StartReplay, &api.StartReplayInput{
		ReplayName: new("one"), EventSourceArn: new(archiveKey{place{account, region}, "a"}.arn()), EventStartTime: &begin, EventEndTime: new(begin.Add(time.Hour)),
		Destination: &api.ReplayDestination{Arn: &busARN},
	})
	must(t, c, api.CancelReplay, &api.CancelReplayInput{ReplayName: new("one")})
	w.run()
	w.until("cancelled", func() bool {
		return *must(t, c, api.DescribeReplay, &api.DescribeReplayInput{ReplayName: new("one")}).State == api.ReplayStateCancelled
	})
}
