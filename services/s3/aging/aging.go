// Package aging is what time does to objects: it keeps the lifecycle and
// tiering configurations of buckets, restores what is archived, and walks every
// bucket once a day to expire, move and count what is in it. What rules say is
// decided in package lifecycle, what classes mean in package class.
//
// The walk is a job for each bucket, which goes through the versions in pages
// and keeps how far it came, so that any node goes on with it. Every change is
// a transaction of its own that looks again whether it is still due, so that a
// second walk, or a request in between, does no harm.
package aging

import (
	"context"
	"log/slog"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/lifecycle"
	"moln.dev/moln/services/s3/named"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/usage"
)

// Keeper does it. It is safe for concurrent use.
type Keeper struct {
	store    *store.Store
	events   *notify.Notifier
	clock    clock.Clock
	ids      *ident.Source
	sched    *sched.Scheduler
	log      *slog.Logger
	system   func(account, region string) *service.Call
	counters usage.Counters
	accesses accesses
	meters   *meters
}

// New returns a Keeper, whose jobs the scheduler runs from now on, and which is
// told of what the store drops.
func New(d service.Deps, st *store.Store, events *notify.Notifier) *Keeper {
	k := &Keeper{store: st, events: events, clock: d.Clock, ids: d.Ident, sched: d.Sched, log: d.Log, system: d.System, meters: newMeters(d.Meter)}
	d.Sched.Every(tickKind, tickEvery, k.tick)
	d.Sched.Register(walkKind, k.walk, sched.Options{Concurrency: walksAtOnce})
	d.Sched.Register(restoreKind, k.restored, sched.Options{})
	st.Dropped = k.dropped
	return k
}

// meters show every process's share; what a bucket used is in its records.
type meters struct {
	requests *observe.CounterVec
	read     *observe.CounterVec
	actions  *observe.CounterVec
	// Those that nearly every request adds to.
	tier1, tier2, readStandard observe.Counter
}

func newMeters(r *observe.Registry) *meters {
	m := &meters{
		requests: r.Counter("moln_s3_requests_total", "S3 requests that are billed, by storage class and kind", "class_kind"),
		read:     r.Counter("moln_s3_read_bytes_total", "bytes of objects that were read, by storage class", "class"),
		actions:  r.Counter("moln_s3_lifecycle_actions_total", "versions that lifecycle rules removed, hid or moved", "action"),
	}
	m.tier1, m.tier2 = m.requests.With(class.Standard+" "+usage.Tier1), m.requests.With(class.Standard+" "+usage.Tier2)
	m.readStandard = m.read.With(class.Standard)
	return m
}

// common adds what usage.Common told.
func (m *meters) common(key string, read int64) {
	if key == usage.StandardTier1 {
		m.tier1.Inc()
	} else {
		m.tier2.Inc()
	}
	m.readStandard.Add(uint64(read))
}

// Operations are the configurations and RestoreObject.
func (k *Keeper) Operations() []service.Operation {
	return service.Table[*Keeper]{
		service.Full(api.PutBucketLifecycleConfiguration, op.Verified((*Keeper).putLifecycle)),
		service.Full(api.GetBucketLifecycleConfiguration, (*Keeper).getLifecycle),
		service.Full(api.DeleteBucketLifecycle, (*Keeper).deleteLifecycle),
		service.Full(api.PutBucketIntelligentTieringConfiguration, op.Verified((*Keeper).putTiering)),
		service.Full(api.GetBucketIntelligentTieringConfiguration, (*Keeper).getTiering),
		service.Full(api.ListBucketIntelligentTieringConfigurations, (*Keeper).listTiering),
		service.Full(api.DeleteBucketIntelligentTieringConfiguration, (*Keeper).deleteTiering),
		service.Partial(api.RestoreObject, op.Verified((*Keeper).restoreObject), "archived objects are restored by the clock, at the end of the times that AWS names; SELECT restores are refused"),
	}.Bind(k)
}

// Principal is who S3 is when it acts by itself.
const principal = "s3.amazonaws.com"

// self is a call of S3's own about a bucket.
func (k *Keeper) self(b *store.Bucket) *service.Call {
	return k.system(b.Account, b.Region).As(identity.Service(principal, b.Account, naming.BucketARN(b.Name)))
}

// ruleIDLength is how long the ids are that rules without one get, as AWS's.
const ruleIDLength = 48

func (k *Keeper) putLifecycle(ctx context.Context, _ *service.Call, in *api.PutBucketLifecycleConfigurationInput) (*api.PutBucketLifecycleConfigurationOutput, error) {
	conf, err := lifecycle.Check(in.LifecycleConfiguration, in.TransitionDefaultMinimumObjectSize, func() string { return k.ids.Alnum(ruleIDLength) })
	if err != nil {
		return nil, err
	}
	if err := k.changeRules(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Lifecycle = conf
		return nil
	}); err != nil {
		return nil, err
	}
	return &api.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: new(conf.MinimumSize)}, nil
}

// changeRules edits a bucket and has it walked again soon.
func (k *Keeper) changeRules(ctx context.Context, bucket string, change func(b *store.Bucket) error) error {
	if err := k.store.ChangeBucket(ctx, bucket, change); err != nil {
		return err
	}
	b, err := k.store.Bucket(ctx, bucket)
	if err != nil {
		return err
	}
	return k.store.ResetWalk(ctx, b)
}

func (k *Keeper) getLifecycle(ctx context.Context, _ *service.Call, in *api.GetBucketLifecycleConfigurationInput) (*api.GetBucketLifecycleConfigurationOutput, error) {
	b, err := k.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Lifecycle == nil {
		return nil, s3err.NotFound("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	return &api.GetBucketLifecycleConfigurationOutput{Rules: b.Lifecycle.Told(), TransitionDefaultMinimumObjectSize: new(b.Lifecycle.MinimumSize)}, nil
}

func (k *Keeper) deleteLifecycle(ctx context.Context, _ *service.Call, in *api.DeleteBucketLifecycleInput) (*api.DeleteBucketLifecycleOutput, error) {
	return nil, k.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Lifecycle = nil
		return nil
	})
}

func (k *Keeper) putTiering(ctx context.Context, _ *service.Call, in *api.PutBucketIntelligentTieringConfigurationInput) (*api.PutBucketIntelligentTieringConfigurationOutput, error) {
	conf := in.IntelligentTieringConfiguration
	if err := class.CheckTiering(smithy.Val(in.Id), conf); err != nil {
		return nil, err
	}
	return nil, k.changeRules(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) (err error) {
		b.Tiering, err = tierings().Put(b.Tiering, *conf)
		return err
	})
}

// tierings are known by their ids.
func tierings() named.ID[api.IntelligentTieringConfiguration] {
	return func(c *api.IntelligentTieringConfiguration) string { return smithy.Val(c.Id) }
}

func (k *Keeper) getTiering(ctx context.Context, _ *service.Call, in *api.GetBucketIntelligentTieringConfigurationInput) (*api.GetBucketIntelligentTieringConfigurationOutput, error) {
	b, err := k.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	conf, err := tierings().Find(b.Tiering, smithy.Val(in.Id))
	return &api.GetBucketIntelligentTieringConfigurationOutput{IntelligentTieringConfiguration: conf}, err
}

func (k *Keeper) listTiering(ctx context.Context, _ *service.Call, in *api.ListBucketIntelligentTieringConfigurationsInput) (*api.ListBucketIntelligentTieringConfigurationsOutput, error) {
	b, err := k.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	page, next := tierings().Page(b.Tiering, smithy.Val(in.ContinuationToken))
	return &api.ListBucketIntelligentTieringConfigurationsOutput{
		IntelligentTieringConfigurationList: page, ContinuationToken: in.ContinuationToken,
		IsTruncated: new(next != nil), NextContinuationToken: next,
	}, nil
}

func (k *Keeper) deleteTiering(ctx context.Context, _ *service.Call, in *api.DeleteBucketIntelligentTieringConfigurationInput) (*api.DeleteBucketIntelligentTieringConfigurationOutput, error) {
	return nil, k.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) (err error) {
		b.Tiering, err = tierings().Drop(b.Tiering, smithy.Val(in.Id))
		return err
	})
}

// today is the day of a time, as walks are named by.
func today(now time.Time) string { return now.UTC().Format(usage.DayForm) }
