// Package notify tells of what happens to objects: it keeps the notification
// configuration of buckets, queues events in the transactions that cause them,
// and delivers them. What an event looks like is in package event.
package notify

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/event"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/store"
)

// Notifier queues and delivers events, and answers the operations of the
// notification configuration. It is safe for concurrent use.
type Notifier struct {
	store     *store.Store
	ids       *ident.Source
	sched     *sched.Scheduler
	functions *functions.Broker
	system    func(account, region string) *service.Call
}

// New returns a Notifier, whose jobs the scheduler runs from now on.
func New(d service.Deps, st *store.Store) *Notifier {
	n := &Notifier{st, d.Ident, d.Sched, d.Functions, d.System}
	d.Sched.Register(notifyKind, n.deliver, sched.Options{MaxAttempts: notifyAttemptsMax, Lease: notifyLease})
	return n
}

// Operations are those of the notification configuration.
func (n *Notifier) Operations() []service.Operation {
	return service.Table[*Notifier]{
		service.Partial(api.PutBucketNotificationConfiguration, op.Verified((*Notifier).putBucketNotification), "targets are functions; queues, topics and EventBridge, and events of replication, tags and access control lists, are refused"),
		service.Full(api.GetBucketNotificationConfiguration, (*Notifier).getBucketNotification),
	}.Bind(n)
}

// servicePrincipal is who S3 is towards the functions that it invokes.
const servicePrincipal = "s3.amazonaws.com"

// notifyKind is the kind of the jobs that deliver events.
const notifyKind = "s3/notify"

// Delivery is tried with the scheduler's back-off for about an hour and a half.
const notifyAttemptsMax = 24

// Change is what happened to an object.
type Change struct {
	Event  string // "ObjectCreated:Put"
	Object *store.Object
}

// delivery is the payload of a notify job.
type delivery struct {
	Account, Region, Function, Bucket, RequestID string
	Depth                                        int
	Event                                        json.RawMessage
}

// Queue queues the events of a change in its transaction (B3).
func (n *Notifier) Queue(tx *store.Tx, c *service.Call, ch Change) error {
	b := tx.Bucket
	if b.Notify == nil {
		return nil
	}
	for _, l := range b.Notify.LambdaFunctionConfigurations {
		f, err := event.FilterOf(l.Filter)
		if err != nil {
			return err
		}
		if !f.Matches(ch.Object.Key) || !slices.ContainsFunc(l.Events, func(e string) bool { return event.Matches(e, "s3:"+ch.Event) }) {
			continue
		}
		raw, err := json.Marshal(event.Document{Records: []event.Record{record(c, b, ch, smithy.Val(l.Id))}})
		if err != nil {
			return err
		}
		payload, err := json.Marshal(delivery{
			Account: b.Account, Region: b.Region, Function: smithy.Val(l.LambdaFunctionArn), Bucket: b.Name,
			RequestID: c.RequestID, Depth: c.Depth + 1, Event: raw,
		})
		if err != nil {
			return err
		}
		if err := n.sched.EnqueueTx(tx.KV, sched.Job{Kind: notifyKind, Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

// deliver invokes a function with an event.
func (n *Notifier) deliver(ctx context.Context, r sched.Run) error {
	var d delivery
	if err := json.Unmarshal(r.Payload, &d); err != nil {
		return sched.Permanent(err)
	}
	_, err := n.functions.Invoke(ctx, functions.Request{
		Caller:  identity.Service(servicePrincipal, d.Account, naming.BucketARN(d.Bucket)),
		Account: d.Account, Region: d.Region, RequestID: d.RequestID, Depth: d.Depth,
		FunctionARN: d.Function, Payload: d.Event, Kind: functions.Async,
	})
	if f := fault.As(err); f != nil && f.Status < 500 && f.Status != 429 {
		return sched.Permanent(err) // no such function, or not allowed
	}
	return err
}

func record(c *service.Call, b *store.Bucket, ch Change, configID string) event.Record {
	o := ch.Object
	entry := event.Object{Key: naming.URLEncode(o.Key), Sequencer: store.Sequencer(o.Sequence)}
	if v := store.VisibleVersion(b, o); v != nil && o.Version != store.NullVersion {
		entry.VersionID = *v
	}
	if !strings.HasPrefix(ch.Event, "ObjectRemoved:") && !o.Marker {
		entry.Size, entry.ETag = new(o.Size), o.ETag
	}
	if o.Marker && strings.HasSuffix(ch.Event, "DeleteMarkerCreated") {
		entry.ETag = emptyETag
	}
	version, extra := aged(ch)
	return event.Record{
		EventVersion: version, Aging: extra, EventSource: "aws:s3", AWSRegion: b.Region, EventTime: c.Now.UTC().Format(event.TimeFormat), EventName: ch.Event,
		UserIdentity:      event.Principal{PrincipalID: principalOf(c)},
		RequestParameters: map[string]string{"sourceIPAddress": sourceIP(c)},
		ResponseElements:  map[string]string{"x-amz-request-id": c.RequestID, "x-amz-id-2": c.RequestID},
		S3: event.Entity{
			SchemaVersion: "1.0", ConfigurationID: configID,
			Bucket: event.Bucket{Name: b.Name, OwnerIdentity: event.Principal{PrincipalID: naming.OwnerID(b.Account)}, ARN: naming.BucketARN(b.Name)}, Object: entry,
		},
	}
}

// emptyETag is the ETag of no bytes, which events of delete markers carry.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// aged is what events of restores, transitions and tiers tell besides, and the
// version of their form (userguide/notification-content-structure.html).
func aged(ch Change) (version string, extra event.Aging) {
	o := ch.Object
	switch {
	case ch.Event == "LifecycleTransition":
		extra.Lifecycle = &event.Lifecycle{}
		extra.Lifecycle.Transition.Class = o.Class
	case ch.Event == "IntelligentTiering" && o.Tiering != nil:
		extra.Tiering = &event.Tiering{Tier: o.Tiering.Archive}
	case strings.HasPrefix(ch.Event, "ObjectRestore:") && o.Restore != nil && ch.Event != "ObjectRestore:Post" && !o.Restore.Expires.IsZero():
		extra.Glacier = &event.Glacier{}
		extra.Glacier.Restore.Expires, extra.Glacier.Restore.Class = o.Restore.Expires.UTC().Format(event.TimeFormat), o.Class
	case !strings.HasPrefix(ch.Event, "Lifecycle"):
		return "2.1", extra
	}
	return "2.3", extra
}

func principalOf(c *service.Call) string {
	if c.Caller.Kind == policy.Service {
		return c.Caller.Service // S3 itself
	}
	if c.Caller.UserID == "" {
		return "Anonymous"
	}
	return "AWS:" + c.Caller.UserID
}

func sourceIP(c *service.Call) string {
	if c.Caller.Kind == policy.Service {
		return c.Caller.Service
	}
	if c.HTTP == nil {
		return "127.0.0.1"
	}
	host, _, err := net.SplitHostPort(c.HTTP.Request.RemoteAddr)
	if err != nil {
		return c.HTTP.Request.RemoteAddr
	}
	return host
}

// notifyLease is how long another node waits for the one that delivers.
const notifyLease = time.Minute
