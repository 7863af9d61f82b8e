package s3

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const roleARN = "arn:aws:iam::" + account + ":role/copier"

// roles is a backend where S3 may assume a role, which may do all but what is
// denied.
type roles struct {
	judge
	denied map[string]bool
}

func (r *roles) Assume(_ context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	if a.RoleARN != roleARN || c.Caller.Service != "s3.amazonaws.com" || r.denied["sts:AssumeRole"] {
		return service.Session{}, fault.New("AccessDenied", 403, "no")
	}
	return service.Session{Principal: identity.Principal{Principal: policy.Principal{
		Kind: policy.AssumedRole, AccountID: account, ARN: "arn:aws:sts::" + account + ":assumed-role/copier/" + a.SessionName, UserID: "AROA:" + a.SessionName,
	}}}, nil
}

func (r *roles) Judge(ctx context.Context, c *service.Call, check service.Check) error {
	if c.Caller.Kind != policy.AssumedRole {
		return r.judge.Judge(ctx, c, check)
	}
	if r.denied[check.Action] {
		return fault.New("AccessDenied", 403, "Access Denied")
	}
	return nil
}

// pair makes two buckets with versions, of which one is copied to the other.
func (w *world) pair(change func(r *api.ReplicationRule)) {
	w.t.Helper()
	for _, name := range []string{"from", "to-1"} {
		w.bucket(name)
		w.versioned(name)
	}
	w.replicate("from", "to-1", change)
}

func (w *world) replicate(from, to string, change func(r *api.ReplicationRule)) {
	w.t.Helper()
	must[api.PutBucketReplicationOutput](w, "PutBucketReplication", replication(from, to, change))
}

func replication(from, to string, change func(r *api.ReplicationRule)) *api.PutBucketReplicationInput {
	rule := api.ReplicationRule{
		ID: new("r"), Priority: new(int32(1)), Status: new("Enabled"), Filter: &api.ReplicationRuleFilter{Prefix: new("")},
		DeleteMarkerReplication: &api.DeleteMarkerReplication{Status: new("Enabled")}, Destination: &api.Destination{Bucket: new("arn:aws:s3:::" + to)},
	}
	if change != nil {
		change(&rule)
	}
	return &api.PutBucketReplicationInput{Bucket: &from, ReplicationConfiguration: &api.ReplicationConfiguration{Role: new(roleARN), Rules: []api.ReplicationRule{rule}}}
}

func (w *world) status(bucket, key string) string {
	w.t.Helper()
	out, err := do[api.HeadObjectOutput](w, "HeadObject", &api.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return fault.As(err).Code
	}
	return smithy.Val(out.ReplicationStatus)
}

func (w *world) waitStatus(bucket, key, want string) {
	w.t.Helper()
	w.until(key+" in "+bucket+" "+want, func() bool { return w.status(bucket, key) == want })
}

// TestReplicates is what a replica keeps of its source: everything.
func TestReplicates(t *testing.T) {
	w := newWorld(t)
	w.backend = &roles{}
	w.bucket("from")
	w.versioned("from")
	w.put("from", "before", "x")
	w.bucket("to-1")
	w.versioned("to-1")
	w.replicate("from", "to-1", func(r *api.ReplicationRule) { r.Destination.StorageClass = new("STANDARD_IA") })
	large := strings.Repeat("0123456789", 20_000)
	put := must[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{
		Bucket: new("from"), Key: new("k"), Body: strings.NewReader(large), Metadata: map[string]string{"m": "v"}, Tagging: new("t=1"), ContentType: new("text/plain"),
	})
	if got := w.status("from", "k"); got != "PENDING" {
		t.Errorf("before: %s", got)
	}
	w.run()
	w.waitStatus("from", "k", "COMPLETED")
	get := must[api.GetObjectOutput](w, "GetObject", &api.GetObjectInput{Bucket: new("to-1"), Key: new("k"), VersionId: put.VersionId})
	body, err := io.ReadAll(get.Body)
	if err != nil || string(body) != large {
		t.Errorf("body of %d bytes, %v", len(body), err)
	}
	got := []string{*get.ETag, *get.ContentType, get.Metadata["m"], *get.StorageClass, *get.ReplicationStatus, *get.VersionId}
	if diff := cmp.Diff([]string{*put.ETag, "text/plain", "v", "STANDARD_IA", "REPLICA", *put.VersionId}, got); diff != "" {
		t.Error(diff)
	}
	// Attributes that change later are copied, too.
	must[api.PutObjectTaggingOutput](w, "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: new("from"), Key: new("k"), Tagging: &api.Tagging{TagSet: []api.Tag{{Key: new("t"), Value: new("2")}}}})
	w.until("the new tag", func() bool {
		tags := must[api.GetObjectTaggingOutput](w, "GetObjectTagging", &api.GetObjectTaggingInput{Bucket: new("to-1"), Key: new("k")}).TagSet
		return len(tags) == 1 && *tags[0].Value == "2"
	})
	// Older and newer versions come to stand in their order, and markers too.
	w.put("from", "k", "second")
	gone := must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("from"), Key: new("k")})
	list := func(bucket string) (out []string) {
		all := must[api.ListObjectVersionsOutput](w, "ListObjectVersions", &api.ListObjectVersionsInput{Bucket: &bucket, Prefix: new("k")})
		for _, v := range all.Versions {
			out = append(out, *v.VersionId)
		}
		for _, m := range all.DeleteMarkers {
			out = append(out, "marker "+*m.VersionId)
		}
		return out
	}
	w.until("all versions", func() bool { return cmp.Equal(list("from"), list("to-1")) })
	if w.status("to-1", "before") != "NotFound" && w.status("to-1", "before") != "NoSuchKey" {
		t.Errorf("before: %s", w.status("to-1", "before"))
	}
	// Deleting a version for good is not replicated.
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("from"), Key: new("k"), VersionId: gone.VersionId})
	if n := len(list("to-1")); n != 3 {
		t.Errorf("%d versions are left", n)
	}
	w.refused("PutBucketVersioning", &api.PutBucketVersioningInput{Bucket: new("from"), VersioningConfiguration: &api.VersioningConfiguration{Status: new("Suspended")}}, "InvalidBucketState")
}

// TestReplicationBothWays is two buckets that copy to each other, which ends.
func TestReplicationBothWays(t *testing.T) {
	w := newWorld(t)
	w.backend = &roles{}
	sync := func(r *api.ReplicationRule) {
		r.SourceSelectionCriteria = &api.SourceSelectionCriteria{ReplicaModifications: &api.ReplicaModifications{Status: new("Enabled")}}
	}
	w.pair(sync)
	w.replicate("to-1", "from", sync)
	w.run()
	w.put("from", "a", "1")
	w.put("to-1", "b", "2")
	w.waitStatus("to-1", "a", "REPLICA")
	w.waitStatus("from", "b", "REPLICA")
	w.waitStatus("from", "a", "COMPLETED")
	// A replica's attributes come back to its original.
	must[api.PutObjectTaggingOutput](w, "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: new("to-1"), Key: new("a"), Tagging: &api.Tagging{TagSet: []api.Tag{{Key: new("t"), Value: new("v")}}}})
	w.until("the tag", func() bool {
		return len(must[api.GetObjectTaggingOutput](w, "GetObjectTagging", &api.GetObjectTaggingInput{Bucket: new("from"), Key: new("a")}).TagSet) == 1
	})
	for _, bucket := range []string{"from", "to-1"} {
		if got := strings.Count(w.versions(bucket), "\n"); got != 1 {
			t.Errorf("%s:\n%s", bucket, w.versions(bucket))
		}
	}
}

// TestReplicationOfParts is an object of parts, which stays one.
func TestReplicationOfParts(t *testing.T) {
	w := newWorld(t)
	w.backend = &roles{}
	w.pair(nil)
	w.run()
	up := must[api.CreateMultipartUploadOutput](w, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: new("from"), Key: new("big")})
	var done api.CompletedMultipartUpload
	for n, size := range []int{5 << 20, 100} {
		p := must[api.UploadPartOutput](w, "UploadPart", &api.UploadPartInput{
			Bucket: new("from"), Key: new("big"), UploadId: up.UploadId, PartNumber: new(int32(n + 1)), Body: bytes.NewReader(bytes.Repeat([]byte{byte(n)}, size)),
		})
		done.Parts = append(done.Parts, api.CompletedPart{PartNumber: new(int32(n + 1)), ETag: p.ETag})
	}
	whole := must[api.CompleteMultipartUploadOutput](w, "CompleteMultipartUpload", &api.CompleteMultipartUploadInput{Bucket: new("from"), Key: new("big"), UploadId: up.UploadId, MultipartUpload: &done})
	w.waitStatus("to-1", "big", "REPLICA")
	get := must[api.GetObjectOutput](w, "GetObject", &api.GetObjectInput{Bucket: new("to-1"), Key: new("big"), PartNumber: new(int32(2))})
	body, err := io.ReadAll(get.Body)
	if err != nil || len(body) != 100 || *get.PartsCount != 2 || *get.ETag != *whole.ETag {
		t.Errorf("%d bytes, %v, %+v", len(body), err, get)
	}
	if left := must[api.ListMultipartUploadsOutput](w, "ListMultipartUploads", &api.ListMultipartUploadsInput{Bucket: new("to-1")}).Uploads; len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// TestReplicationFails is roles that lack something.
func TestReplicationFails(t *testing.T) {
	for _, action := range []string{"sts:AssumeRole", "s3:GetObjectVersionForReplication", "s3:ReplicateObject"} {
		w := newWorld(t)
		w.backend = &roles{denied: map[string]bool{action: true}}
		w.pair(nil)
		w.run()
		w.put("from", "k", "x")
		w.waitStatus("from", "k", "FAILED")
		if got := w.versions("to-1"); got != "" {
			t.Errorf("%s: %s", action, got)
		}
	}
	w := newWorld(t)
	w.backend = &roles{denied: map[string]bool{"s3:ReplicateTags": true}}
	w.pair(nil)
	w.run()
	must[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{Bucket: new("from"), Key: new("k"), Body: strings.NewReader(""), Tagging: new("t=1")})
	w.waitStatus("to-1", "k", "REPLICA")
	if tags := must[api.GetObjectTaggingOutput](w, "GetObjectTagging", &api.GetObjectTaggingInput{Bucket: new("to-1"), Key: new("k")}).TagSet; len(tags) != 0 {
		t.Errorf("tags: %+v", tags)
	}
}

func TestReplicationIsRefused(t *testing.T) {
	w := newWorld(t)
	w.backend = &roles{}
	w.bucket("plain")
	for _, name := range []string{"from", "to-1"} {
		w.bucket(name)
		w.versioned(name)
	}
	for _, tt := range []struct {
		from, to string
		change   func(r *api.ReplicationRule)
		want     string
	}{
		{"plain", "to-1", nil, "InvalidRequest: Versioning must be 'Enabled' on the bucket to apply a replication configuration"},
		{"from", "plain", nil, "InvalidRequest: Destination bucket must have versioning enabled."},
		{"from", "nobodys", nil, "InvalidRequest: Destination bucket must exist."},
		{"from", "from", nil, "InvalidRequest"},
		{"from", "to-1", func(r *api.ReplicationRule) { r.Priority = nil }, "InvalidRequest"},
		{"from", "to-1", func(r *api.ReplicationRule) { r.Status = new("On") }, "MalformedXML"},
		{"from", "to-1", func(r *api.ReplicationRule) {
			r.Filter = &api.ReplicationRuleFilter{Tag: &api.Tag{Key: new("k"), Value: new("v")}}
		}, "InvalidRequest: Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information."},
		{"from", "to-1", func(r *api.ReplicationRule) {
			r.Destination.ReplicationTime = &api.ReplicationTime{Status: new("Enabled"), Time: &api.ReplicationTimeValue{Minutes: new(int32(15))}}
		}, "NotImplemented"},
		{"from", "to-1", func(r *api.ReplicationRule) { r.Destination.Account = new("999988887777") }, "InvalidRequest"},
	} {
		w.refused("PutBucketReplication", replication(tt.from, tt.to, tt.change), tt.want)
	}
	w.refused("GetBucketReplication", &api.GetBucketReplicationInput{Bucket: new("from")}, "ReplicationConfigurationNotFoundError")
}

// TestReplicasStayLocked: what changes at the source takes no lock off a replica.
func TestReplicasStayLocked(t *testing.T) {
	w := newWorld(t)
	w.backend = &roles{}
	w.bucket("from")
	w.versioned("from")
	must[api.CreateBucketOutput](w, "CreateBucket", &api.CreateBucketInput{Bucket: new("to-1"), ObjectLockEnabledForBucket: new(true)})
	must[api.PutObjectLockConfigurationOutput](w, "PutObjectLockConfiguration", &api.PutObjectLockConfigurationInput{Bucket: new("to-1"), ObjectLockConfiguration: &api.ObjectLockConfiguration{
		ObjectLockEnabled: new("Enabled"), Rule: &api.ObjectLockRule{DefaultRetention: &api.DefaultRetention{Mode: new("COMPLIANCE"), Days: new(int32(30))}},
	}})
	w.replicate("from", "to-1", nil)
	w.run()
	put := w.put("from", "k", "x")
	w.waitStatus("from", "k", "COMPLETED")
	version := &api.DeleteObjectInput{Bucket: new("to-1"), Key: new("k"), VersionId: put.VersionId}
	w.refused("DeleteObject", version, "AccessDenied")
	must[api.PutObjectTaggingOutput](w, "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: new("from"), Key: new("k"), Tagging: &api.Tagging{TagSet: []api.Tag{{Key: new("t"), Value: new("v")}}}})
	w.until("the tag", func() bool {
		return len(must[api.GetObjectTaggingOutput](w, "GetObjectTagging", &api.GetObjectTaggingInput{Bucket: new("to-1"), Key: new("k")}).TagSet) == 1
	})
	w.refused("DeleteObject", version, "AccessDenied")
}
