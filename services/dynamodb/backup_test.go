package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/kv/open"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

// working makes a bench whose jobs are done, over a store.
func working(t testing.TB, db *kv.DB) *bench {
	t.Helper()
	b := &bench{t: t, ops: map[string]service.Operation{}, clk: clock.NewFake(time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))}
	log, ids := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), ident.NewSeeded(1, b.clk)
	jobs := sched.New(db.Scope([]byte("sched")), b.clk, ids, log)
	b.s = New(service.Deps{
		KV: db.Scope([]byte("dynamodb")), Clock: b.clk, Ident: ids, Log: log, Sched: jobs,
		System: func(account, region string) *service.Call {
			return service.NewCall(b, service.Call{Account: account, Region: region, Now: b.clk.Now(), Log: log})
		},
	})
	for _, o := range b.s.Definition().Operations {
		_, op := o.Of()
		b.ops[op.Name] = o
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- jobs.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return b
}

func onMemory(t testing.TB) *kv.DB {
	db := kv.New(memkv.New())
	t.Cleanup(func() { db.Close() })
	return db
}

// until waits for a condition that jobs bring about.
func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			b.t.Fatal("never came: " + what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (b *bench) untilActive(name string) {
	b.t.Helper()
	b.until(name+" ACTIVE", func() bool {
		return *must(b, api.DescribeTable, &api.DescribeTableInput{TableName: &name}).Table.TableStatus == api.TableStatusActive
	})
}

func (b *bench) backup(name string) (arn string) {
	b.t.Helper()
	arn = *must(b, api.CreateBackup, &api.CreateBackupInput{TableName: &name, BackupName: new("kept")}).BackupDetails.BackupArn
	return arn
}

func (b *bench) untilAvailable(arn string) *api.BackupDescription {
	b.t.Helper()
	var d *api.BackupDescription
	b.until("backup AVAILABLE", func() bool {
		d = must(b, api.DescribeBackup, &api.DescribeBackupInput{BackupArn: &arn}).BackupDescription
		return *d.BackupDetails.BackupStatus == api.BackupStatusAvailable
	})
	return d
}

// contents are the items of a table or index, by their key.
func (b *bench) contents(name string, index *string) map[string]avs {
	b.t.Helper()
	out := map[string]avs{}
	var from avs
	for {
		page := must(b, api.Scan, &api.ScanInput{TableName: &name, IndexName: index, ExclusiveStartKey: from})
		for _, m := range page.Items {
			key := *m["id"].S
			if at, ok := m["at"]; ok {
				key += "/" + *at.N
			}
			out[key] = m
		}
		if from = page.LastEvaluatedKey; from == nil {
			return out
		}
	}
}

// plainTable makes a table of id (S) with some items.
func plainTable(b *bench, name string, items int) {
	b.t.Helper()
	must(b, api.CreateTable, &api.CreateTableInput{
		TableName: &name, BillingMode: new(table.OnDemand),
		AttributeDefinitions: []api.AttributeDefinition{definition("id", "S")}, KeySchema: []api.KeySchemaElement{element("id", "HASH")},
	})
	for at := 0; at < items; {
		var requests []api.WriteRequest
		for ; at < items && len(requests) < 25; at++ {
			requests = append(requests, api.WriteRequest{PutRequest: &api.PutRequest{Item: avs{"id": str("still-" + strconv.Itoa(at)), "v": num("0")}}})
		}
		must(b, api.BatchWriteItem, &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{name: requests}})
	}
}

// writers change a table until stopped. Each makes transactions that put the
// same number, one higher each time, into the two items of a pair, and one item
// of that number; acknowledged and begun are how far each came.
type writers struct {
	acknowledged, begun [4]atomic.Int64
	stop                chan struct{}
	wg                  sync.WaitGroup
}

func write(b *bench, name string) *writers {
	w := &writers{stop: make(chan struct{})}
	for i := range w.begun {
		w.wg.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-w.stop:
					return
				default:
				}
				w.begun[i].Store(n)
				number := num(strconv.FormatInt(n, 10))
				var items []api.TransactWriteItem
				for _, id := range []string{fmt.Sprint("left-", i), fmt.Sprint("right-", i), fmt.Sprint("each-", i, "-", n)} {
					items = append(items, api.TransactWriteItem{Put: &api.Put{TableName: &name, Item: avs{"id": str(id), "n": number}}})
				}
				if n <= gone {
					items = append(items, api.TransactWriteItem{Delete: &api.Delete{TableName: &name, Key: avs{"id": str(fmt.Sprint("still-", int64(i)*gone+n))}}})
				}
				if _, err := call(b, api.TransactWriteItems, &api.TransactWriteItemsInput{TransactItems: items}); err != nil {
					b.t.Error(err)
					return
				}
				w.acknowledged[i].Store(n)
			}
		})
	}
	return w
}

// gone is how many of the items that were there before each writer deletes.
const gone = 300

func (w *writers) end() {
	close(w.stop)
	w.wg.Wait()
}

// seen are the counts of writers at a moment.
func seen(of *[4]atomic.Int64) (out [4]int64) {
	for i := range of {
		out[i] = of[i].Load()
	}
	return out
}

// checkMoment checks that items are of one moment: of each writer all of its
// transactions up to one, which is between what was acknowledged before the
// moment and what had begun after it.
func checkMoment(t *testing.T, items map[string]avs, still int, before, after [4]int64) {
	t.Helper()
	number := func(id string) int64 {
		if m, ok := items[id]; ok {
			n, _ := strconv.ParseInt(*m["n"].N, 10, 64)
			return n
		}
		return 0
	}
	total := 0
	for i := range before {
		left, right := number(fmt.Sprint("left-", i)), number(fmt.Sprint("right-", i))
		if left != right {
			t.Errorf("half of a transaction: %d and %d", left, right)
		}
		if left < before[i] || left > after[i] {
			t.Errorf("writer %d: at %d, when %d was acknowledged and %d begun", i, left, before[i], after[i])
		}
		for n := int64(1); n <= left+50; n++ {
			if _, ok := items[fmt.Sprint("each-", i, "-", n)]; ok != (n <= left) {
				t.Errorf("writer %d is at %d, and item %d is there: %v", i, left, n, ok)
			}
			if _, ok := items[fmt.Sprint("still-", int64(i)*gone+n)]; n <= gone && ok != (n > left) {
				t.Errorf("writer %d is at %d, and what %d deletes is there: %v", i, left, n, ok)
			}
		}
		if total += int(left - min(left, gone)); left > 0 {
			total += 2
		}
	}
	if want := total + still; len(items) != want {
		t.Errorf("%d items, not %d", len(items), want)
	}
}

func TestBackupsAreOfOneMoment(t *testing.T) {
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
			before := seen(&w.acknowledged)
			arn := b.backup("busy")
			after := seen(&w.begun)
			d := b.untilAvailable(arn)
			b.until("writes after the backup", func() bool { return seen(&w.acknowledged)[0] > after[0] })
			w.end()

			must(b, api.RestoreTableFromBackup, &api.RestoreTableFromBackupInput{BackupArn: &arn, TargetTableName: new("again")})
			b.untilActive("again")
			items := b.contents("again", nil)
			checkMoment(t, items, still, before, after)
			if *d.SourceTableDetails.ItemCount != int64(len(items)) || *d.BackupDetails.BackupSizeBytes == 0 {
				t.Errorf("backup of %d items, %d bytes; there are %d", *d.SourceTableDetails.ItemCount, *d.BackupDetails.BackupSizeBytes, len(items))
			}
		})
	}
}

func opened(t *testing.T, url string) *kv.DB {
	t.Helper()
	db, err := open.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestRestoredTablesHaveIndexes(t *testing.T) {
	b := working(t, onMemory(t))
	in := tableInput()
	in.LocalSecondaryIndexes = []api.LocalSecondaryIndex{{
		IndexName: new("local"), KeySchema: []api.KeySchemaElement{element("id", "HASH"), element("who", "RANGE")},
		Projection: &api.Projection{ProjectionType: new("ALL")},
	}}
	must(b, api.CreateTable, in)
	for i := range 700 {
		put(b, avs{"id": str(fmt.Sprint(i % 7)), "at": num(fmt.Sprint(i)), "who": str("ann")})
	}
	arn := b.backup("notes")
	must(b, api.DeleteItem, &api.DeleteItemInput{TableName: new("notes"), Key: avs{"id": str("1"), "at": num("1")}})
	b.untilAvailable(arn)
	out := must(b, api.RestoreTableFromBackup, &api.RestoreTableFromBackupInput{BackupArn: &arn, TargetTableName: new("same")})
	d := out.TableDescription
	if *d.TableStatus != api.TableStatusCreating || *d.RestoreSummary.SourceBackupArn != arn || !*d.RestoreSummary.RestoreInProgress {
		t.Errorf("%s, %+v", *d.TableStatus, d.RestoreSummary)
	}
	must(b, api.RestoreTableFromBackup, &api.RestoreTableFromBackupInput{
		BackupArn: &arn, TargetTableName: new("fewer"), GlobalSecondaryIndexOverride: []api.GlobalSecondaryIndex{},
		LocalSecondaryIndexOverride: []api.LocalSecondaryIndex{}, BillingModeOverride: new(table.Provisioned),
		ProvisionedThroughputOverride: &api.ProvisionedThroughput{ReadCapacityUnits: new(int64(50)), WriteCapacityUnits: new(int64(7))},
	})
	b.untilActive("same")
	b.untilActive("fewer")
	if n := len(b.contents("same", nil)); n != 700 {
		t.Errorf("%d items", n)
	}
	for _, index := range []string{"by-who", "local"} {
		if n := len(b.contents("same", &index)); n != 700 {
			t.Errorf("%s has %d items", index, n)
		}
	}
	got := must(b, api.DescribeTable, &api.DescribeTableInput{TableName: new("fewer")}).Table
	if len(got.GlobalSecondaryIndexes)+len(got.LocalSecondaryIndexes) != 0 || *got.ProvisionedThroughput.WriteCapacityUnits != 7 {
		t.Errorf("overrides: %+v", got)
	}
	if *got.RestoreSummary.RestoreInProgress {
		t.Error("still in progress")
	}
}

func TestBackupsAreListedAndDeleted(t *testing.T) {
	b := working(t, onMemory(t))
	plainTable(b, "one", 3)
	plainTable(b, "two", 3)
	var arns []string
	for _, name := range []string{"one", "one", "two"} {
		arn := b.backup(name)
		b.untilAvailable(arn)
		arns = append(arns, arn)
		b.clk.Advance(time.Minute)
	}
	listed := func(in api.ListBackupsInput) (out []string) {
		got := must(b, api.ListBackups, &in)
		for _, s := range got.BackupSummaries {
			out = append(out, *s.BackupArn)
		}
		if got.LastEvaluatedBackupArn != nil {
			out = append(out, "more")
		}
		return out
	}
	start := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	for i, tt := range []struct {
		in   api.ListBackupsInput
		want []string
	}{
		{api.ListBackupsInput{}, arns},
		{api.ListBackupsInput{TableName: new("two")}, arns[2:]},
		{api.ListBackupsInput{Limit: new(int32(2))}, []string{arns[0], arns[1], "more"}},
		{api.ListBackupsInput{ExclusiveStartBackupArn: &arns[1]}, arns[2:]},
		{api.ListBackupsInput{BackupType: new("SYSTEM")}, nil},
		{api.ListBackupsInput{BackupType: new("ALL")}, arns},
		{api.ListBackupsInput{TimeRangeLowerBound: new(start.Add(time.Minute)), TimeRangeUpperBound: new(start.Add(2 * time.Minute))}, arns[1:2]},
	} {
		if diff := cmp.Diff(tt.want, listed(tt.in)); diff != "" {
			t.Errorf("%d: %s", i, diff)
		}
	}
	gone := must(b, api.DeleteBackup, &api.DeleteBackupInput{BackupArn: &arns[0]}).BackupDescription
	if *gone.BackupDetails.BackupStatus != api.BackupStatusDeleted {
		t.Error(*gone.BackupDetails.BackupStatus)
	}
	for i, err := range []error{
		second(call(b, api.DescribeBackup, &api.DescribeBackupInput{BackupArn: &arns[0]})),
		second(call(b, api.DeleteBackup, &api.DeleteBackupInput{BackupArn: &arns[0]})),
		second(call(b, api.RestoreTableFromBackup, &api.RestoreTableFromBackupInput{BackupArn: &arns[0], TargetTableName: new("new")})),
	} {
		if !fault.Is(err, "BackupNotFoundException") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := second(call(b, api.RestoreTableFromBackup, &api.RestoreTableFromBackupInput{BackupArn: &arns[1], TargetTableName: new("two")})); !fault.Is(err, "TableAlreadyExistsException") {
		t.Error(err)
	}
	if err := second(call(b, api.CreateBackup, &api.CreateBackupInput{TableName: new("none"), BackupName: new("kept")})); !fault.Is(err, "TableNotFoundException") {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

func (b *bench) here() store.Place { return store.PlaceOf(b.caller()) }
