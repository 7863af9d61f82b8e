package dynamodb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
)

func (b *bench) recoverable(name string, days *int32) {
	b.t.Helper()
	must(b, api.UpdateContinuousBackups, &api.UpdateContinuousBackupsInput{
		TableName: &name, PointInTimeRecoverySpecification: &api.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(true), RecoveryPeriodInDays: days},
	})
}

// restored restores a table to a moment and gives what it then held. The clock
// goes on meanwhile.
func (b *bench) restored(name string, at time.Time) map[string]avs {
	b.t.Helper()
	target := fmt.Sprintf("%s-%d", name, at.Unix())
	must(b, api.RestoreTableToPointInTime, &api.RestoreTableToPointInTimeInput{SourceTableName: &name, TargetTableName: &target, RestoreDateTime: &at})
	b.until(target+" ACTIVE", func() bool {
		b.clk.Advance(100 * time.Millisecond)
		return *must(b, api.DescribeTable, &api.DescribeTableInput{TableName: &target}).Table.TableStatus == api.TableStatusActive
	})
	return b.contents(target, nil)
}

func TestTablesAreRecoveredWhileTheyAreWrittenTo(t *testing.T) {
	stores := map[string]func(*testing.T) *kv.DB{
		"memory":   func(t *testing.T) *kv.DB { return onMemory(t) },
		"pebble":   func(t *testing.T) *kv.DB { return opened(t, "pebble:"+t.TempDir()) },
		"postgres": func(t *testing.T) *kv.DB { return opened(t, pgtest.Start(t)) },
	}
	for name, make := range stores {
		t.Run(name, func(t *testing.T) {
			const still = 1300
			b := working(t, make(t))
			plainTable(b, "busy", still)
			w := write(b, "busy")
			b.until("writes", func() bool { return seen(&w.acknowledged)[0] > 3 })
			b.recoverable("busy", nil)
			type moment struct {
				at            time.Time
				before, after [4]int64
			}
			var moments []moment
			for range 3 { // the base is copied meanwhile
				from := seen(&w.acknowledged)
				b.until("writes", func() bool { return seen(&w.acknowledged)[0] > from[0]+2 })
				m := moment{at: b.clk.Now(), before: seen(&w.acknowledged)}
				b.clk.Advance(time.Second)
				m.after = seen(&w.begun)
				moments = append(moments, m)
			}
			b.until("writes", func() bool { return seen(&w.acknowledged)[0] > moments[2].after[0]+2 })
			b.clk.Advance(10 * time.Second)
			for i, m := range moments {
				if i == 2 {
					w.end()
				}
				checkMoment(t, b.restored("busy", m.at), still, m.before, m.after)
			}
		})
	}
}

// TestEverySecondIsRecovered restores a table to moments before, between and
// after its bases and compares with what it held.
func TestEverySecondIsRecovered(t *testing.T) {
	b := working(t, onMemory(t))
	plainTable(b, "things", 0)
	b.recoverable("things", new(int32(4)))
	dice := rand.New(rand.NewPCG(7, 7))
	held := map[string]avs{}
	moments := map[time.Time]map[string]avs{}
	change := func(n int) {
		for range n {
			id := fmt.Sprint(dice.IntN(12))
			if dice.IntN(3) == 0 {
				must(b, api.DeleteItem, &api.DeleteItemInput{TableName: new("things"), Key: avs{"id": str(id)}})
				delete(held, id)
				continue
			}
			m := avs{"id": str(id), "v": num(fmt.Sprint(dice.IntN(1000)))}
			must(b, api.PutItem, &api.PutItemInput{TableName: new("things"), Item: m})
			held[id] = m
		}
	}
	for range 3 {
		for range 4 {
			change(30)
			moments[b.clk.Now()] = maps.Clone(held)
			b.clk.Advance(time.Second)
		}
		b.clk.Advance(26 * time.Hour) // bases are renewed
		base := func() string {
			tab, err := b.s.store.Table(t.Context(), b.here(), "things", nil)
			if err != nil {
				t.Fatal(err)
			}
			if r := tab.Recovery; r.Next == nil && r.Base != nil {
				return r.Base.ID
			}
			return ""
		}
		b.until("a base", func() bool { b.clk.Advance(time.Second); return base() != "" })
	}
	for at, want := range moments {
		if diff := cmp.Diff(want, b.restored("things", at)); diff != "" {
			t.Errorf("at %v: %s", at, diff)
		}
	}
}

func TestRecoveryIsRefused(t *testing.T) {
	b := working(t, onMemory(t))
	plainTable(b, "things", 3)
	start := b.clk.Now()
	to := func(in api.RestoreTableToPointInTimeInput) error {
		in.TargetTableName = new("new")
		return second(call(b, api.RestoreTableToPointInTime, &in))
	}
	if err := to(api.RestoreTableToPointInTimeInput{SourceTableName: new("things"), UseLatestRestorableTime: new(true)}); !fault.Is(err, "PointInTimeRecoveryUnavailableException") {
		t.Error(err)
	}
	d := must(b, api.DescribeContinuousBackups, &api.DescribeContinuousBackupsInput{TableName: new("things")}).ContinuousBackupsDescription
	if *d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != "DISABLED" {
		t.Error("not DISABLED")
	}
	b.recoverable("things", new(int32(2)))
	b.clk.Advance(72 * time.Hour)
	d = must(b, api.DescribeContinuousBackups, &api.DescribeContinuousBackupsInput{TableName: new("things")}).ContinuousBackupsDescription
	r := d.PointInTimeRecoveryDescription
	if !r.EarliestRestorableDateTime.Equal(start.Add(24*time.Hour)) || !r.LatestRestorableDateTime.Equal(start.Add(72*time.Hour-5*time.Second)) || *r.RecoveryPeriodInDays != 2 {
		t.Errorf("%v to %v, %d days", r.EarliestRestorableDateTime, r.LatestRestorableDateTime, *r.RecoveryPeriodInDays)
	}
	for i, tt := range []struct {
		in   api.RestoreTableToPointInTimeInput
		want string
	}{
		{api.RestoreTableToPointInTimeInput{SourceTableName: new("things"), RestoreDateTime: new(start.Add(23 * time.Hour))}, "InvalidRestoreTimeException"},
		{api.RestoreTableToPointInTimeInput{SourceTableName: new("things"), RestoreDateTime: new(start.Add(72 * time.Hour))}, "InvalidRestoreTimeException"},
		{api.RestoreTableToPointInTimeInput{SourceTableName: new("things")}, "ValidationException"},
		{api.RestoreTableToPointInTimeInput{UseLatestRestorableTime: new(true)}, "ValidationException"},
		{api.RestoreTableToPointInTimeInput{SourceTableName: new("none"), UseLatestRestorableTime: new(true)}, "TableNotFoundException"},
	} {
		if err := to(tt.in); !fault.Is(err, tt.want) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestDeletedTablesThatAreRecoverableLeaveABackup(t *testing.T) {
	b := working(t, onMemory(t))
	plainTable(b, "things", 30)
	b.recoverable("things", nil)
	want := b.contents("things", nil)
	must(b, api.DeleteTable, &api.DeleteTableInput{TableName: new("things")})
	list := func() []api.BackupSummary {
		return must(b, api.ListBackups, &api.ListBackupsInput{BackupType: new("SYSTEM")}).BackupSummaries
	}
	got := list()
	if len(got) != 1 || *got[0].BackupName != "things$DeletedTableBackup" || !got[0].BackupExpiryDateTime.Equal(b.clk.Now().AddDate(0, 0, 35)) {
		t.Fatalf("%+v", got)
	}
	b.untilAvailable(*got[0].BackupArn)
	plainTable(b, "things", 1)
	must(b, api.RestoreTableFromBackup, &api.RestoreTableFromBackupInput{BackupArn: got[0].BackupArn, TargetTableName: new("again")})
	b.untilActive("again")
	if diff := cmp.Diff(want, b.contents("again", nil)); diff != "" {
		t.Error(diff)
	}
	b.clk.Advance(36 * 24 * time.Hour)
	if got := list(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
