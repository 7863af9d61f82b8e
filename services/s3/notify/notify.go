// Package notify tells of what happens to objects: it keeps the notification
// configuration of buckets, queues events in the transactions that cause them,
// and delivers them. What an event looks like is in package event.
package notify

import (
	"encoding/json"
	"net"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/functions"
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

	// Changed, if set before the Notifier is used, is told of every change in
	// its transaction.
	Changed func(tx *store.Tx, c *service.Call, ch Change) error
}

// New returns a Notifier, whose jobs the scheduler runs from now on.
func New(d service.Deps, st *store.Store) *Notifier {
	n := &Notifier{store: st, ids: d.Ident, sched: d.Sched, functions: d.Functions, system: d.System}
	d.Sched.Register(notifyKind, n.deliver, sched.Options{MaxAttempts: notifyAttemptsMax, Lease: notifyLease})
	return n
}

// Operations are those of the notification configuration.
func (n *Notifier) Operations() []service.Operation {
	return service.Table[*Notifier]{
		service.Partial(api.PutBucketNotificationConfiguration, op.Verified((*Notifier).putBucketNotification), "events of lost objects, of annotations and of a replication's time are refused: they do not happen"),
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
	// Replication is what events of replications tell besides.
	Replication *event.Replication
}

// Queue queues the events of a change in its transaction (B3).
func (n *Notifier) Queue(tx *store.Tx, c *service.Call, ch Change) error {
	if n.Changed != nil {
		if err := n.Changed(tx, c, ch); err != nil {
			return err
		}
	}
	b := tx.Bucket
	if b.Notify == nil {
		return nil
	}
	targets, err := event.Targets(b.Notify)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if !t.Wants("s3:"+ch.Event, ch.Object.Key) {
			continue
		}
		if err := n.queue(tx, c, delivery{Kind: t.Kind, Target: t.ARN}, event.Document{Records: []event.Record{record(c, b, ch, smithy.Val(t.ID))}}); err != nil {
			return err
		}
	}
	if b.Notify.EventBridgeConfiguration == nil {
		return nil
	}
	kind, reason, deletion := event.Bridged(ch.Event)
	if kind == "" {
		return nil
	}
	d := detail(c, b, ch)
	d.Reason, d.Deletion = reason, deletion
	return n.queue(tx, c, delivery{Kind: bridge, DetailType: kind, Time: c.Now.UTC()}, d)
}

// queue queues one delivery of a document.
func (n *Notifier) queue(tx *store.Tx, c *service.Call, d delivery, document any) error {
	raw, err := json.Marshal(document)
	if err != nil {
		return err
	}
	d.Account, d.Region, d.Bucket, d.RequestID, d.Depth, d.Event = tx.Bucket.Account, tx.Bucket.Region, tx.Bucket.Name, c.RequestID, c.Depth+1, raw
	payload, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return n.sched.EnqueueTx(tx.KV, sched.Job{Kind: notifyKind, Payload: payload})
}

func record(c *service.Call, b *store.Bucket, ch Change, configID string) event.Record {
	o := ch.Object
	entry := entryOf(b, ch)
	entry.Key = naming.URLEncode(o.Key)
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
		Replication: ch.Replication,
	}
}

// entryOf is the object of a change, with its key as it is.
func entryOf(b *store.Bucket, ch Change) event.Object {
	o := ch.Object
	entry := event.Object{Key: o.Key}
	if v := store.VisibleVersion(b, o); v != nil && o.Version != store.NullVersion {
		entry.VersionID = *v
	}
	group, kind, _ := strings.Cut(ch.Event, ":")
	switch group {
	case "ObjectCreated", "ObjectRemoved", "LifecycleExpiration":
		entry.Sequencer = store.Sequencer(o.Sequence)
	}
	switch {
	case o.Marker && kind == "DeleteMarkerCreated":
		entry.ETag = emptyETag
	case o.Marker || group == "ObjectRemoved":
	case group == "ObjectTagging" || group == "ObjectAcl":
		entry.ETag = o.ETag
	default:
		entry.Size, entry.ETag = new(o.Size), o.ETag
	}
	return entry
}

// detail is a change as EventBridge is told of it, without its reason.
func detail(c *service.Call, b *store.Bucket, ch Change) event.Detail {
	e := entryOf(b, ch)
	d := event.Detail{
		Version: "0", Bucket: event.DetailBucket{Name: b.Name},
		Object:    event.DetailObject{Key: e.Key, Size: e.Size, ETag: e.ETag, VersionID: e.VersionID, Sequencer: e.Sequencer},
		RequestID: c.RequestID, Requester: servicePrincipal,
	}
	if c.Caller.Kind != policy.Service {
		d.Requester, d.SourceIP = c.Caller.AccountID, sourceIP(c)
	}
	switch _, extra := aged(ch); {
	case extra.Lifecycle != nil:
		d.Class = extra.Lifecycle.Transition.Class
	case extra.Tiering != nil:
		d.Tier = extra.Tiering.Tier
	case extra.Glacier != nil:
		d.Expires, d.SourceClass = extra.Glacier.Restore.Expires, extra.Glacier.Restore.Class
	case strings.HasPrefix(ch.Event, "ObjectRestore:"):
		d.SourceClass = ch.Object.Class
	}
	return d
}

// emptyETag is the ETag of no bytes, which events of delete markers carry.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// aged is what events of restores, transitions and tiers tell besides, and the
// version of their form (userguide/notification-content-structure.html).
func aged(ch Change) (version string, extra event.Aging) {
	o := ch.Object
	switch {
	case ch.Replication != nil:
		return "2.2", extra
	case ch.Event == "LifecycleTransition":
		extra.Lifecycle = &event.Lifecycle{}
		extra.Lifecycle.Transition.Class = o.Class
	case ch.Event == "IntelligentTiering" && o.Tiering != nil:
		extra.Tiering = &event.Tiering{Tier: o.Tiering.Archive}
	case strings.HasPrefix(ch.Event, "ObjectRestore:") && o.Restore != nil && ch.Event != "ObjectRestore:Post" && !o.Restore.Expires.IsZero():
		extra.Glacier = &event.Glacier{}
		extra.Glacier.Restore.Expires, extra.Glacier.Restore.Class = o.Restore.Expires.UTC().Format(event.TimeFormat), o.Class
	case !strings.HasPrefix(ch.Event, "Lifecycle") && !strings.HasPrefix(ch.Event, "ObjectTagging:") && !strings.HasPrefix(ch.Event, "ObjectAcl:"):
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
