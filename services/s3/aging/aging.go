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
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/lifecycle"
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
}

func newMeters(r *observe.Registry) *meters {
	return &meters{
		requests: r.Counter("moln_s3_requests_total", "S3 requests that are billed, by storage class and kind", "class_kind"),
		read:     r.Counter("moln_s3_read_bytes_total", "bytes of objects that were read, by storage class", "class"),
		actions:  r.Counter("moln_s3_lifecycle_actions_total", "versions that lifecycle rules removed, hid or moved", "action"),
	}
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
	return &api.GetBucketLifecycleConfigurationOutput{Rules: b.Lifecycle.Rules, TransitionDefaultMinimumObjectSize: new(b.Lifecycle.MinimumSize)}, nil
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
	return nil, k.changeRules(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		rest := without(b.Tiering, *conf.Id)
		if len(rest) >= class.TieringsMax {
			return fault.New("TooManyConfigurations", 400, "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.")
		}
		b.Tiering = append(rest, *conf)
		slices.SortFunc(b.Tiering, func(x, y api.IntelligentTieringConfiguration) int {
			return strings.Compare(smithy.Val(x.Id), smithy.Val(y.Id))
		})
		return nil
	})
}

// without is a new list of the configurations but one.
func without(confs []api.IntelligentTieringConfiguration, id string) []api.IntelligentTieringConfiguration {
	var out []api.IntelligentTieringConfiguration
	for _, c := range confs {
		if smithy.Val(c.Id) != id {
			out = append(out, c)
		}
	}
	return out
}

func noSuchConfiguration() error {
	return s3err.NotFound("NoSuchConfiguration", "The specified configuration does not exist.")
}

func (k *Keeper) getTiering(ctx context.Context, _ *service.Call, in *api.GetBucketIntelligentTieringConfigurationInput) (*api.GetBucketIntelligentTieringConfigurationOutput, error) {
	b, err := k.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	for i := range b.Tiering {
		if smithy.Val(b.Tiering[i].Id) == smithy.Val(in.Id) {
			return &api.GetBucketIntelligentTieringConfigurationOutput{IntelligentTieringConfiguration: &b.Tiering[i]}, nil
		}
	}
	return nil, noSuchConfiguration()
}

// tieringPage is how many configurations an answer lists.
const tieringPage = 100

func (k *Keeper) listTiering(ctx context.Context, _ *service.Call, in *api.ListBucketIntelligentTieringConfigurationsInput) (*api.ListBucketIntelligentTieringConfigurationsOutput, error) {
	b, err := k.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	after := smithy.Val(in.ContinuationToken)
	at, found := slices.BinarySearchFunc(b.Tiering, after, func(c api.IntelligentTieringConfiguration, id string) int {
		return strings.Compare(smithy.Val(c.Id), id)
	})
	if found {
		at++
	}
	rest := b.Tiering[at:]
	out := &api.ListBucketIntelligentTieringConfigurationsOutput{ContinuationToken: in.ContinuationToken, IsTruncated: new(len(rest) > tieringPage)}
	out.IntelligentTieringConfigurationList = rest[:min(len(rest), tieringPage)]
	if len(rest) > tieringPage {
		out.NextContinuationToken = rest[tieringPage-1].Id
	}
	return out, nil
}

func (k *Keeper) deleteTiering(ctx context.Context, _ *service.Call, in *api.DeleteBucketIntelligentTieringConfigurationInput) (*api.DeleteBucketIntelligentTieringConfigurationOutput, error) {
	return nil, k.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		rest := without(b.Tiering, smithy.Val(in.Id))
		if len(rest) == len(b.Tiering) {
			return noSuchConfiguration()
		}
		b.Tiering = rest
		return nil
	})
}

// today is the day of a time, as walks are named by.
func today(now time.Time) string { return now.UTC().Format(usage.DayForm) }
