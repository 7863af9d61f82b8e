package store

import "moln.dev/moln/services/s3/s3err"

// Replication statuses, as x-amz-replication-status tells them.
const (
	ReplicationPending   = "PENDING"
	ReplicationCompleted = "COMPLETED"
	ReplicationFailed    = "FAILED"
	ReplicationReplica   = "REPLICA"
)

// Replication is what became of the replication of a version.
type Replication struct {
	// Replica: the version is a copy that replication made.
	Replica bool `json:",omitempty"`
	// Targets are the statuses by the bucket that the version is copied to. The
	// map is shared and never changed.
	Targets map[string]string `json:",omitempty"`
}

// With is the replication with the status of one more target.
func (r Replication) With(bucket, status string) Replication {
	out := Replication{Replica: r.Replica, Targets: map[string]string{bucket: status}}
	for b, s := range r.Targets {
		if b != bucket {
			out.Targets[b] = s
		}
	}
	return out
}

// Header is x-amz-replication-status of all targets together; nil: the version
// is not replicated.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
func (r Replication) Header() *string {
	if r.Replica {
		return new(ReplicationReplica)
	}
	status := ""
	for _, s := range r.Targets {
		switch {
		case s == ReplicationFailed, s == ReplicationPending && status != ReplicationFailed, status == "":
			status = s
		}
	}
	if status == "" {
		return nil
	}
	return &status
}

// PutReplica stores a version under the version id that it has in the bucket
// that it was copied from, among the versions of its key by its sequence. There
// must be no such version. d is the bytes of o, unless it is a marker.
func (tx *Tx) PutReplica(o *Object, d Data) error {
	if tx.Bucket.Versioning != VersioningEnabled {
		return s3err.InvalidRequest("Destination bucket must have versioning enabled.")
	}
	cur, err := tx.Current()
	if err != nil {
		return err
	}
	o.NullSequence = ""
	if !o.Marker {
		if err := tx.putData(o, d); err != nil {
			return err
		}
	}
	if cur != nil && cur.Sequence > o.Sequence {
		return putObject(tx.KV, keyVersion(tx.Bucket, o.Key, o.Sequence), o)
	}
	if cur != nil {
		if err := tx.retire(cur, o); err != nil {
			return err
		}
	}
	return putObject(tx.KV, keyObject(tx.Bucket, o.Key), o)
}
