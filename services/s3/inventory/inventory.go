// Package inventory is S3 Inventory: its configurations, and the reports that
// list what is in a bucket, day by day or on Sundays (UTC), as CSV files with a
// manifest in another bucket.
//
// A report is streamed page by page, so that it is true of each page and not of
// one moment, as at AWS. One that is cut short is made anew; what was written of it
// is in no manifest, which comes when all its files are there. Whoever has no leave
// to write in the destination makes no report: the log says so, and the next day is
// another try.
package inventory

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/named"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// The jobs and their times.
const (
	tickKind    = "s3/inventory"
	reportKind  = "s3/inventory/report"
	tickEvery   = 10 * time.Minute
	attemptsMax = 5
	dayForm     = "2006-01-02"
)

// Inventory keeps configurations and makes reports. It is safe for concurrent
// use.
type Inventory struct {
	store  *store.Store
	clock  clock.Clock
	ids    *ident.Source
	sched  *sched.Scheduler
	log    *slog.Logger
	system func(account, region string) *service.Call

	// FileRows is how many rows a file of a report has at most; it is set before
	// the Inventory is used, if at all.
	FileRows int
}

// New returns an Inventory, whose jobs the scheduler runs from now on.
func New(d service.Deps, st *store.Store) *Inventory {
	v := &Inventory{store: st, clock: d.Clock, ids: d.Ident, sched: d.Sched, log: d.Log, system: d.System, FileRows: fileRowsMax}
	d.Sched.Every(tickKind, tickEvery, v.tick)
	d.Sched.Register(reportKind, v.run, sched.Options{Concurrency: 1, MaxAttempts: attemptsMax})
	return v
}

// Operations are those of the configurations.
func (v *Inventory) Operations() []service.Operation {
	return service.Table[*Inventory]{
		service.Partial(api.PutBucketInventoryConfiguration, op.Verified((*Inventory).put), "reports are CSV; Parquet, ORC, and the fields of lists, event holds, expirations and reference dates are refused"),
		service.Full(api.GetBucketInventoryConfiguration, (*Inventory).get),
		service.Full(api.ListBucketInventoryConfigurations, (*Inventory).list),
		service.Full(api.DeleteBucketInventoryConfiguration, (*Inventory).remove),
	}.Bind(v)
}

var idForm = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

// Check judges a configuration by itself.
//
// Errors: MalformedXML, InvalidArgument, InvalidS3DestinationBucket,
// NotImplemented.
func Check(id string, c *api.InventoryConfiguration) error {
	if c == nil || c.IsEnabled == nil || c.Id == nil || c.Schedule == nil || c.Destination == nil || c.Destination.S3BucketDestination == nil {
		return s3err.MalformedXML()
	}
	if !idForm.MatchString(id) || *c.Id != id {
		return fault.New("InvalidConfigurationId", 400, "The specified configuration id is invalid.")
	}
	if v := smithy.Val(c.IncludedObjectVersions); v != "All" && v != "Current" {
		return s3err.MalformedXML()
	}
	if f := smithy.Val(c.Schedule.Frequency); f != "Daily" && f != "Weekly" {
		return s3err.MalformedXML()
	}
	if c.Filter != nil && c.Filter.Prefix == nil {
		return s3err.MalformedXML()
	}
	for _, f := range c.OptionalFields {
		if !slices.Contains(optional, f) {
			return s3err.NotImplemented("moln's inventories have no field %s", f)
		}
	}
	return checkDestination(c.Destination.S3BucketDestination)
}

func checkDestination(d *api.InventoryS3BucketDestination) error {
	switch smithy.Val(d.Format) {
	case "CSV":
	case "ORC", "Parquet":
		return s3err.NotImplemented("moln's inventories are CSV")
	default:
		return s3err.MalformedXML()
	}
	name, ok := strings.CutPrefix(smithy.Val(d.Bucket), "arn:aws:s3:::")
	if !ok || !naming.ValidBucket(name) {
		return fault.New("InvalidS3DestinationBucket", 400, "Invalid bucket ARN.")
	}
	if e := d.Encryption; e != nil && (e.SSES3 != nil) == (e.SSEKMS != nil) {
		return s3err.MalformedXML()
	}
	return nil
}

func (v *Inventory) put(ctx context.Context, _ *service.Call, in *api.PutBucketInventoryConfigurationInput) (*api.PutBucketInventoryConfigurationOutput, error) {
	conf := in.InventoryConfiguration
	if err := Check(smithy.Val(in.Id), conf); err != nil {
		return nil, err
	}
	return nil, v.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) (err error) {
		b.Inventories, err = inventories().Put(b.Inventories, *conf)
		return err
	})
}

// inventories are known by their ids.
func inventories() named.ID[api.InventoryConfiguration] {
	return func(c *api.InventoryConfiguration) string { return *c.Id }
}

func (v *Inventory) get(ctx context.Context, _ *service.Call, in *api.GetBucketInventoryConfigurationInput) (*api.GetBucketInventoryConfigurationOutput, error) {
	b, err := v.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	conf, err := inventories().Find(b.Inventories, smithy.Val(in.Id))
	return &api.GetBucketInventoryConfigurationOutput{InventoryConfiguration: conf}, err
}

func (v *Inventory) list(ctx context.Context, _ *service.Call, in *api.ListBucketInventoryConfigurationsInput) (*api.ListBucketInventoryConfigurationsOutput, error) {
	b, err := v.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	page, next := inventories().Page(b.Inventories, smithy.Val(in.ContinuationToken))
	return &api.ListBucketInventoryConfigurationsOutput{
		InventoryConfigurationList: page, ContinuationToken: in.ContinuationToken,
		IsTruncated: new(next != nil), NextContinuationToken: next,
	}, nil
}

func (v *Inventory) remove(ctx context.Context, _ *service.Call, in *api.DeleteBucketInventoryConfigurationInput) (*api.DeleteBucketInventoryConfigurationOutput, error) {
	return nil, v.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) (err error) {
		b.Inventories, err = inventories().Drop(b.Inventories, smithy.Val(in.Id))
		return err
	})
}

// job is a report that is due.
type job struct{ Bucket, ID, Inventory, Day string }

// due tells whether a report is to be made on a day, after the last one.
func due(conf *api.InventoryConfiguration, last string, now time.Time) bool {
	if !*conf.IsEnabled || last >= now.Format(dayForm) {
		return false
	}
	return *conf.Schedule.Frequency == api.InventoryFrequencyDaily || now.Weekday() == time.Sunday
}

// tick queues the reports that are due.
func (v *Inventory) tick(ctx context.Context) error {
	now := v.clock.Now().UTC()
	return v.store.Buckets(ctx, func(b *store.Bucket) error {
		for i := range b.Inventories {
			conf := &b.Inventories[i]
			last, err := v.store.Inventoried(ctx, b, *conf.Id)
			if err != nil {
				return err
			}
			if !due(conf, last, now) {
				continue
			}
			payload, err := json.Marshal(job{b.Name, b.ID, *conf.Id, now.Format(dayForm)})
			if err != nil {
				return err
			}
			if err := v.sched.Enqueue(ctx, sched.Job{Kind: reportKind, Key: b.ID + "/" + *conf.Id, Payload: payload, Replace: true}); err != nil {
				return err
			}
		}
		return nil
	})
}

// run makes a report.
func (v *Inventory) run(ctx context.Context, r sched.Run) error {
	var j job
	if err := json.Unmarshal(r.Payload, &j); err != nil {
		return sched.Permanent(err)
	}
	b, err := v.store.Bucket(ctx, j.Bucket)
	if store.IsNoSuchBucket(err) || err == nil && b.ID != j.ID {
		return nil
	}
	if err != nil {
		return err
	}
	conf, err := inventories().Find(b.Inventories, j.Inventory)
	if err != nil {
		return nil // deleted meanwhile
	}
	last, err := v.store.Inventoried(ctx, b, j.Inventory)
	if err != nil || last >= j.Day {
		return err
	}
	err = v.make(ctx, b, conf)
	if f := fault.As(err); f != nil && f.Status < 500 {
		v.log.Warn("s3: write an inventory", "bucket", b.Name, "inventory", j.Inventory, "error", err)
	} else if err != nil {
		return err
	}
	return v.store.SetInventoried(ctx, b, j.Inventory, j.Day)
}
