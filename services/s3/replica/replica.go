// Package replica copies what is written in one bucket into others, as the
// bucket's replication configuration says: the operations of the configuration,
// the jobs, and what they do. What rules mean is decided in rules.go.
//
// A job is queued for each destination in the transaction that writes the
// version, which is PENDING from then on. It acts as a session of the
// configuration's role, which is judged for everything that it does. A replica
// has the version id, the time, the attributes and the bytes of its source, so
// doing a job twice changes nothing. What is written by a job is never
// replicated on.
package replica

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Replicator does it. It is safe for concurrent use.
type Replicator struct {
	store  *store.Store
	events *notify.Notifier
	ids    *ident.Source
	sched  *sched.Scheduler
	system func(account, region string) *service.Call
	done   *observe.CounterVec
}

// The jobs.
const (
	kind        = "s3/replicate"
	atOnce      = 4  // of one node
	attemptsMax = 24 // with the scheduler's back-off, about an hour and a half
	lease       = time.Minute
)

// principal is who assumes the role.
const principal = "s3.amazonaws.com"

// sessionName is the name of the role's sessions, as AWS has it.
const sessionName = "s3-replication"

// New returns a Replicator, whose jobs the scheduler runs from now on, and
// which the Notifier tells of changes.
func New(d service.Deps, st *store.Store, events *notify.Notifier) *Replicator {
	r := &Replicator{
		store: st, events: events, ids: d.Ident, sched: d.Sched, system: d.System,
		done: d.Meter.Counter("moln_s3_replications_total", "versions that were replicated, and those that failed", "status"),
	}
	d.Sched.Register(kind, r.run, sched.Options{Concurrency: atOnce, MaxAttempts: attemptsMax, Lease: lease, DeadLetter: r.gaveUp})
	events.Changed = r.changed
	return r
}

const noteReplication = "replication time control, existing objects and objects under customers' keys (SSE-C) are refused or left out; metrics turn on the event of failures and are no metrics of CloudWatch"

// Operations are those of the configuration.
func (r *Replicator) Operations() []service.Operation {
	return service.Table[*Replicator]{
		service.Partial(api.PutBucketReplication, op.Verified((*Replicator).put), noteReplication),
		service.Full(api.GetBucketReplication, (*Replicator).get),
		service.Full(api.DeleteBucketReplication, (*Replicator).remove),
	}.Bind(r)
}

// ruleIDLength is how long the ids are that rules without one get.
const ruleIDLength = 48

func (r *Replicator) put(ctx context.Context, c *service.Call, in *api.PutBucketReplicationInput) (*api.PutBucketReplicationOutput, error) {
	conf := in.ReplicationConfiguration
	if err := Check(conf, func() string { return r.ids.Alnum(ruleIDLength) }); err != nil {
		return nil, err
	}
	b, err := r.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := source(b); err != nil {
		return nil, err
	}
	for i := range conf.Rules {
		if err := r.destination(ctx, b, conf.Rules[i].Destination); err != nil {
			return nil, err
		}
	}
	err = c.Judge(ctx, service.Check{Action: "iam:PassRole", Resource: *conf.Role, Context: policy.Keys{"iam:passedtoservice": {principal}}})
	if err != nil {
		return nil, err
	}
	return nil, r.store.ChangeBucket(ctx, b.Name, func(b *store.Bucket) error {
		b.Replication = conf
		return source(b)
	})
}

func source(b *store.Bucket) error {
	if b.Versioning != store.VersioningEnabled {
		return s3err.InvalidRequest("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	}
	return nil
}

// destination checks the bucket that a rule copies to.
func (r *Replicator) destination(ctx context.Context, b *store.Bucket, d *api.Destination) error {
	name, _ := bucketOf(d)
	if name == b.Name {
		return s3err.InvalidRequest("Destination bucket cannot be the same as the source bucket.")
	}
	to, err := r.store.Bucket(ctx, name)
	switch {
	case store.IsNoSuchBucket(err):
		return s3err.InvalidRequest("Destination bucket must exist.")
	case err != nil:
		return err
	case to.Versioning != store.VersioningEnabled:
		return s3err.InvalidRequest("Destination bucket must have versioning enabled.")
	case d.Account != nil && *d.Account != to.Account:
		return s3err.InvalidRequest("The destination bucket is not owned by the account %s.", *d.Account)
	case b.Lock != nil && to.Lock == nil:
		return s3err.InvalidRequest("Object Lock must be enabled on the destination bucket.")
	}
	return nil
}

func (r *Replicator) get(ctx context.Context, _ *service.Call, in *api.GetBucketReplicationInput) (*api.GetBucketReplicationOutput, error) {
	b, err := r.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Replication == nil {
		return nil, s3err.NotFound("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
	}
	return &api.GetBucketReplicationOutput{ReplicationConfiguration: b.Replication}, nil
}

func (r *Replicator) remove(ctx context.Context, _ *service.Call, in *api.DeleteBucketReplicationInput) (*api.DeleteBucketReplicationOutput, error) {
	return nil, r.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Replication = nil
		return nil
	})
}

// job is what a job is to copy, and what the rule said when it was queued.
type job struct {
	Bucket, ID   string // of the source
	Key, Version string
	Target       string
	Rule         string
	Role         string
	Destination  api.Destination
	// Modified: only the attributes of a replica are to be set, or of the
	// source of one.
	Modified  bool `json:",omitempty"`
	RequestID string
	Depth     int
	Queued    time.Time
}

// kindOf tells what a change is to replication.
func kindOf(event string) (Change, bool) {
	group, _, _ := strings.Cut(event, ":")
	switch {
	case group == "ObjectCreated", event == "ObjectRemoved:DeleteMarkerCreated":
		return Created, true
	case group == "ObjectTagging", group == "ObjectAcl", group == "ObjectRetention", group == "ObjectLegalHold":
		return Modified, true
	}
	return 0, false
}

// changed queues the jobs of a change in its transaction.
func (r *Replicator) changed(tx *store.Tx, c *service.Call, ch notify.Change) error {
	conf := tx.Bucket.Replication
	if conf == nil {
		return nil
	}
	what, ok := kindOf(ch.Event)
	if !ok {
		return nil
	}
	rules := Plan(conf, ch.Object, what)
	if len(rules) == 0 {
		return nil
	}
	o, err := tx.Change(ch.Object.Version, func(o *store.Object) error {
		for _, rule := range rules {
			if !o.Replication.Replica {
				o.Replication = o.Replication.With(targetOf(rule), store.ReplicationPending)
			}
		}
		return nil
	})
	if err != nil || o == nil {
		return err
	}
	for _, rule := range rules {
		payload, err := json.Marshal(job{
			Bucket: tx.Bucket.Name, ID: tx.Bucket.ID, Key: o.Key, Version: o.Version, Target: targetOf(rule), Rule: *rule.ID, Role: *conf.Role,
			Destination: *rule.Destination, Modified: o.Replication.Replica, RequestID: c.RequestID, Depth: c.Depth + 1, Queued: c.Now.UTC(),
		})
		if err != nil {
			return err
		}
		if err := r.sched.EnqueueTx(tx.KV, sched.Job{Kind: kind, Key: o.Version + "/" + tx.Bucket.ID + "/" + targetOf(rule), Replace: true, Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

// run does a job.
func (r *Replicator) run(ctx context.Context, run sched.Run) error {
	var j job
	if err := json.Unmarshal(run.Payload, &j); err != nil {
		return sched.Permanent(err)
	}
	b, o, err := r.source(ctx, &j)
	if err != nil || o == nil {
		return err
	}
	err = r.carry(ctx, &j, b, o)
	if f := fault.As(err); f != nil && f.Status < 500 && f.Status != 429 {
		return r.settle(ctx, &j, b, store.ReplicationFailed, reasonOf(err))
	}
	if err != nil {
		return err
	}
	return r.settle(ctx, &j, b, store.ReplicationCompleted, "")
}

// gaveUp is the end of a job that failed again and again.
func (r *Replicator) gaveUp(ctx context.Context, run sched.Run, _ string) error {
	var j job
	if err := json.Unmarshal(run.Payload, &j); err != nil {
		return nil // there is nothing to tell
	}
	b, o, err := r.source(ctx, &j)
	if err != nil || o == nil {
		return err
	}
	return r.settle(ctx, &j, b, store.ReplicationFailed, "DstPutObjectNotPermitted")
}

// source finds what a job is to copy; nil if it is gone.
func (r *Replicator) source(ctx context.Context, j *job) (*store.Bucket, *store.Object, error) {
	b, err := r.store.Bucket(ctx, j.Bucket)
	if store.IsNoSuchBucket(err) || err == nil && b.ID != j.ID {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	o, err := r.store.Version(ctx, b, j.Key, j.Version)
	return b, o, err
}

// settle notes on the source what became of a job.
func (r *Replicator) settle(ctx context.Context, j *job, b *store.Bucket, status, reason string) error {
	r.done.With(status).Inc()
	self := r.self(j, b)
	err := r.store.Update(ctx, b, j.Key, func(tx *store.Tx) error {
		o, err := tx.Change(j.Version, func(o *store.Object) error {
			if !o.Replication.Replica {
				o.Replication = o.Replication.With(j.Target, status)
			}
			return nil
		})
		if err != nil || o == nil || status != store.ReplicationFailed {
			return err
		}
		if m := j.Destination.Metrics; m == nil || *m.Status != enabled {
			return nil
		}
		return r.events.Queue(tx, self, failed(j, o, reason))
	})
	if store.IsNoSuchBucket(err) {
		return nil
	}
	return err
}

// self is a call of S3's own about the source bucket.
func (r *Replicator) self(j *job, b *store.Bucket) *service.Call {
	c := r.system(b.Account, b.Region).As(identity.Service(principal, b.Account, naming.BucketARN(b.Name)))
	c.RequestID, c.Depth = j.RequestID, j.Depth
	return c
}
