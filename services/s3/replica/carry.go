package replica

import (
	"context"
	"errors"
	"io"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/event"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
)

// refusal is a fault with AWS's name of the reason.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html
type refusal struct {
	reason string
	error
}

func (r refusal) Unwrap() error { return r.error }

// because names the reason of a fault.
func because(err error, reason string) error {
	if fault.As(err) == nil {
		return err
	}
	return refusal{reason, err}
}

func reasonOf(err error) string {
	var r refusal
	if errors.As(err, &r) {
		return r.reason
	}
	return "DstPutObjectNotPermitted"
}

func failed(j *job, o *store.Object, reason string) notify.Change {
	return notify.Change{Event: "Replication:OperationFailedReplication", Object: o, Replication: &event.Replication{
		RuleID: j.Rule, Destination: "arn:aws:s3:::" + j.Target, Operation: "OBJECT_PUT", RequestTime: j.Queued.Format(event.TimeFormat), Reason: reason,
	}}
}

// carry copies a version, or its attributes where the copy is there already, as
// a session of the role.
func (r *Replicator) carry(ctx context.Context, j *job, b *store.Bucket, o *store.Object) error {
	self := r.self(j, b)
	session, err := self.AssumeRole(ctx, service.Assume{RoleARN: j.Role, SessionName: sessionName})
	if err != nil {
		return because(err, "AssumeRoleNotPermitted")
	}
	c := self.As(session.Principal)
	to, err := r.store.Bucket(ctx, j.Target)
	switch {
	case err != nil:
		return because(err, "DstBucketNotFound")
	case to.Versioning != store.VersioningEnabled:
		return because(s3err.InvalidRequest("Destination bucket must have versioning enabled."), "DstBucketUnversioned")
	}
	t := &trip{r: r, c: c, j: j, from: b, to: to, o: o}
	if err := t.allowed(ctx); err != nil {
		return err
	}
	have, err := r.store.Version(ctx, to, o.Key, o.Version)
	if err != nil {
		return err
	}
	switch {
	case have != nil:
		return t.amend(ctx)
	case j.Modified:
		return nil // the original is gone
	case o.Marker:
		return t.mark(ctx)
	}
	return t.copy(ctx)
}

// trip is one version on its way.
type trip struct {
	r        *Replicator
	c        *service.Call
	j        *job
	from, to *store.Bucket
	o        *store.Object
	tags     bool // may be copied, too
}

func (t *trip) judge(ctx context.Context, b *store.Bucket, action, reason string) error {
	return because(op.Ask{Bucket: b, Action: action, Key: t.o.Key}.Judge(ctx, t.c), reason)
}

// allowed judges what the role needs. Tags that it may not copy stay behind.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
func (t *trip) allowed(ctx context.Context) error {
	if t.o.Marker {
		return t.judge(ctx, t.to, "s3:ReplicateDelete", "DstDelObjNotPermitted")
	}
	if err := t.judge(ctx, t.from, "s3:GetObjectVersionForReplication", "SrcGetObjectNotPermitted"); err != nil {
		return err
	}
	if t.from.HasLists() {
		if err := t.judge(ctx, t.from, "s3:GetObjectVersionAcl", "SrcGetAclNotPermitted"); err != nil {
			return err
		}
	}
	if err := t.judge(ctx, t.to, "s3:ReplicateObject", "DstPutObjectNotPermitted"); err != nil {
		return err
	}
	if t.handsOver() {
		if err := t.judge(ctx, t.to, "s3:ObjectOwnerOverrideToBucketOwner", "DstPutAclNotPermitted"); err != nil {
			return err
		}
	}
	for _, ask := range []struct {
		b      *store.Bucket
		action string
	}{{t.from, "s3:GetObjectVersionTagging"}, {t.to, "s3:ReplicateTags"}} {
		if err := t.judge(ctx, ask.b, ask.action, ""); fault.As(err) != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
	t.tags = true
	return nil
}

func (t *trip) handsOver() bool { return t.j.Destination.AccessControlTranslation != nil }

// dress gives a replica the attributes of its source that may change. What locks
// the replica already is never weakened: that needs permissions on it which
// replication does not have.
func (t *trip) dress(o *store.Object) {
	o.Owner, o.ACL = "", nil
	if r := t.o.Lock.Retention; r != nil && lock.Change(o.Lock.Retention, r, false, t.c.Now) == nil {
		o.Lock.Retention = r
	}
	if hold := t.o.Lock.Hold; hold != "" {
		o.Lock.Hold = hold
	}
	if t.to.HasLists() && !t.handsOver() {
		if owner := t.from.OwnerOf(t.o); owner != t.to.Account {
			o.Owner = owner
		}
		if o.ACL = t.o.ACL; t.to.Block().BlockACLs {
			o.ACL = o.ACL.WithoutPublic()
		}
	}
	if t.tags {
		o.Tags = t.o.Tags
	}
}

// amend sets the attributes of a replica that is there.
func (t *trip) amend(ctx context.Context) error {
	if t.o.Marker {
		return nil
	}
	if err := t.lockable(); err != nil {
		return err
	}
	return t.r.store.Update(ctx, t.to, t.o.Key, func(tx *store.Tx) error {
		_, err := tx.Change(t.o.Version, func(o *store.Object) error {
			t.dress(o)
			return nil
		})
		return err
	})
}

func (t *trip) lockable() error {
	if t.to.Lock == nil && !t.o.Lock.IsZero() {
		return because(s3err.InvalidRequest("Bucket is missing ObjectLockConfiguration"), "DstBucketObjectLockConfigMissing")
	}
	return nil
}

// mark copies a delete marker.
func (t *trip) mark(ctx context.Context) error {
	m := &store.Object{
		Key: t.o.Key, Version: t.o.Version, Sequence: t.o.Sequence, Marker: true, Modified: t.o.Modified,
		Body: store.Body{ID: t.r.ids.Sortable()}, Replication: store.Replication{Replica: true},
	}
	return t.commit(ctx, m, store.Data{}, "ObjectRemoved:DeleteMarkerCreated", nil)
}

// commit stores a replica, unless it was stored meanwhile.
func (t *trip) commit(ctx context.Context, o *store.Object, d store.Data, event string, also func(tx *store.Tx) error) error {
	return t.r.store.Update(ctx, t.to, o.Key, func(tx *store.Tx) error {
		have, err := tx.Find(o.Version)
		if err != nil {
			return err
		}
		if have != nil {
			return errThere
		}
		if err := tx.PutReplica(o, d); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return t.r.events.Queue(tx, t.c, notify.Change{Event: event, Object: o})
	})
}

// errThere: another run of the job was faster. The job is run again, which
// finds the replica.
var errThere = errors.New("s3: the replica was stored meanwhile")

// copy copies an object.
func (t *trip) copy(ctx context.Context) error {
	if err := t.lockable(); err != nil {
		return err
	}
	if err := t.o.Readable(t.from, t.c.Now); err != nil {
		return because(err, "SrcObjectNotEligible")
	}
	if t.o.SSE.Customer() {
		return because(s3err.NotImplemented("moln does not replicate objects under customers' keys"), "SrcObjectNotEligible")
	}
	if err := sse.Unlock(ctx, t.c, t.r.store, t.from, t.o, sse.Asked{}); err != nil {
		return because(err, "SrcKmsKeyNotFound")
	}
	asked := sse.Asked{Algorithm: new(store.EncryptionS3)}
	if e := t.o.SSE; e != nil && t.j.Destination.EncryptionConfiguration != nil {
		asked = sse.Asked{Algorithm: &e.Algorithm, KeyID: t.j.Destination.EncryptionConfiguration.ReplicaKmsKeyID}
	}
	encryption, protect, err := sse.Begin(ctx, t.c, t.r.store, t.r.ids, t.to, t.o.Key, asked)
	if err != nil {
		return because(err, "DstKmsKeyNotFound")
	}
	o := &store.Object{
		Key: t.o.Key, Version: t.o.Version, Sequence: t.o.Sequence, Modified: t.o.Modified,
		ETag: t.o.ETag, Headers: t.o.Headers, Meta: t.o.Meta, Sums: t.o.Sums, SumType: t.o.SumType, SSE: encryption,
		Aging: store.Aging{Class: t.o.Class}, Replication: store.Replication{Replica: true},
	}
	if name := t.j.Destination.StorageClass; name != nil {
		o.Class = class.Kept(*name)
	}
	if o.Class == class.IntelligentTiering {
		o.Tiering = &class.Tiering{Accessed: t.c.Now.UTC()}
	}
	t.dress(o)
	if o.Lock.Retention == nil {
		o.Lock.Retention = t.to.Lock.Default(t.c.Now)
	}
	if t.o.Parts > 0 {
		return t.copyParts(ctx, o, protect)
	}
	got, err := t.body(ctx, condition.Span{Length: t.o.Size}, store.Intake{Algorithms: op.SumNames(t.o.Sums), Protect: protect})
	if err != nil {
		return err
	}
	o.Body = got.Body
	err = t.commit(ctx, o, store.Data{Inline: got.Inline}, "ObjectCreated:Put", nil)
	t.r.store.Undo(ctx, got, err)
	return err
}

// body takes in a part of the source's body, encrypted anew.
func (t *trip) body(ctx context.Context, at condition.Span, take store.Intake) (*store.Received, error) {
	src, err := t.r.store.Open(ctx, t.from, t.o, at)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	take.Max = store.PutBytesMax
	got, err := t.r.store.Receive(ctx, src, take)
	if err == nil && got.Size != at.Length {
		t.r.store.Discard(ctx, got)
		return nil, io.ErrUnexpectedEOF
	}
	return got, err
}

// copyParts copies an object of parts as an upload of the destination's, so that
// its bytes are known to belong to something meanwhile, and its parts stay what
// they are.
func (t *trip) copyParts(ctx context.Context, o *store.Object, protect store.Protection) error {
	if err := t.endUploads(ctx); err != nil {
		return err
	}
	u := &store.Upload{Key: o.Key, ID: t.r.ids.Sortable(), Initiated: t.c.Now.UTC(), Initiator: t.c.Caller.ARN, Template: *o}
	if err := t.r.store.PutUpload(ctx, t.to, u); err != nil {
		return err
	}
	err := t.uploadParts(ctx, o, u, protect)
	if err != nil {
		// Where the object was stored nevertheless, the upload is gone. What a
		// crash leaves the next run ends.
		_ = t.r.store.EndUpload(context.WithoutCancel(ctx), t.to, u.Key, u.ID)
	}
	return err
}

func (t *trip) uploadParts(ctx context.Context, o *store.Object, u *store.Upload, protect store.Protection) error {
	parts, err := t.r.store.Parts(ctx, t.o.PartsID())
	if err != nil {
		return err
	}
	at := int64(0)
	for i, p := range parts {
		got, err := t.body(ctx, condition.Span{Offset: at, Length: p.Size}, store.Intake{Algorithms: op.SumNames(p.Sums), Protect: protect, AsBlob: true})
		if err != nil {
			return err
		}
		parts[i] = store.Part{Number: p.Number, Modified: t.c.Now.UTC(), ETag: p.ETag, Sums: p.Sums, Body: got.Body}
		if err := t.r.store.PutPart(ctx, t.to, u, &parts[i]); err != nil {
			t.r.store.Undo(ctx, got, err)
			return err
		}
		at += p.Size
	}
	o.Body = store.Body{ID: t.r.ids.Sortable(), Size: at, Parts: len(parts)}
	o.Upload = u.ID
	return t.commit(ctx, o, store.Data{Parts: parts}, "ObjectCreated:CompleteMultipartUpload", func(tx *store.Tx) error {
		return tx.FinishUpload(u, parts, s3err.NoSuchUpload(u.ID))
	})
}

// endUploads ends what an earlier run of the job left.
func (t *trip) endUploads(ctx context.Context) error {
	var left []*store.Upload
	l := &listing.Listing{Prefix: t.o.Key, Max: store.ListMax}
	_, err := t.r.store.ListUploads(ctx, t.to, l, "", func(u *store.Upload) {
		if u.Key == t.o.Key && u.Template.Replication.Replica && u.Template.Version == t.o.Version {
			left = append(left, u)
		}
	})
	if err != nil {
		return err
	}
	for _, u := range left {
		if err := t.r.store.EndUpload(ctx, t.to, u.Key, u.ID); err != nil && !fault.Is(err, "NoSuchUpload") {
			return err
		}
	}
	return nil
}
