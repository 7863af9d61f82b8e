package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/usage"
)

const day = 24 * time.Hour

// run has the scheduler work until the test ends.
func (w *world) run() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.sched.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// pass moves the clock on, and waits until all buckets were walked on that day.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	day := w.clock.Now().UTC().Format("2006-01-02")
	w.until("the walk of "+day, func() bool {
		walked := true
		err := w.s.store.Buckets(context.Background(), func(b *store.Bucket) error {
			at, err := w.s.store.Walk(context.Background(), b)
			walked = walked && at.Done && at.Day >= day
			return err
		})
		return err == nil && walked
	})
}

// until waits for a condition. The clock runs a little meanwhile, for timers
// that were set after it was moved.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(2 * time.Millisecond)
		w.clock.Advance(30 * time.Second)
	}
	w.t.Fatalf("waited in vain for %s", what)
}

// swept fails if blobs are left once what was dropped is reaped.
func (w *world) swept() {
	w.t.Helper()
	if _, err := w.s.store.Reap(context.Background(), -time.Hour); err != nil {
		w.t.Fatal(err)
	}
	if n := w.blobCount(); n != 0 {
		w.t.Errorf("%d blobs are left", n)
	}
}

func (w *world) refused(name string, in any, want string) {
	w.t.Helper()
	_, err := w.ops[name].Call(context.Background(), w.call(root), in)
	if f := fault.As(err); f == nil || f.Code+": "+f.Message != want && f.Code != want {
		w.t.Errorf("%s: %v, want %s", name, err, want)
	}
}

func (w *world) rules(bucket string, rules ...api.LifecycleRule) {
	w.t.Helper()
	for i := range rules {
		rules[i].Status = new("Enabled")
		if rules[i].Filter == nil {
			rules[i].Filter = &api.LifecycleRuleFilter{Prefix: new("")}
		}
	}
	must[api.PutBucketLifecycleConfigurationOutput](w, "PutBucketLifecycleConfiguration", &api.PutBucketLifecycleConfigurationInput{
		Bucket: &bucket, LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: rules},
	})
}

func (w *world) versions(bucket string) string {
	w.t.Helper()
	out := must[api.ListObjectVersionsOutput](w, "ListObjectVersions", &api.ListObjectVersionsInput{Bucket: &bucket})
	var lines []string
	for _, v := range out.Versions {
		lines = append(lines, fmt.Sprintf("%s %s latest=%t", *v.Key, *v.StorageClass, *v.IsLatest))
	}
	for _, m := range out.DeleteMarkers {
		lines = append(lines, fmt.Sprintf("%s marker latest=%t", *m.Key, *m.IsLatest))
	}
	return strings.Join(lines, "\n")
}

func (w *world) versioned(bucket string) {
	w.t.Helper()
	must[api.PutBucketVersioningOutput](w, "PutBucketVersioning", &api.PutBucketVersioningInput{Bucket: &bucket, VersioningConfiguration: &api.VersioningConfiguration{Status: new("Enabled")}})
}

// TestLifecycleExpires is objects without versions, which are gone once they
// are old enough, with their bytes, and told of before.
func TestLifecycleExpires(t *testing.T) {
	w := newWorld(t)
	w.bucket("plain")
	w.rules("plain", api.LifecycleRule{ID: new("a b"), Filter: &api.LifecycleRuleFilter{Prefix: new("logs/")}, Expiration: &api.LifecycleExpiration{Days: new(int32(3))}})
	put := w.put("plain", "logs/1", strings.Repeat("x", 100_000))
	if want := `expiry-date="Tue, 06 Jan 2026 00:00:00 GMT", rule-id="a%20b"`; smithy.Val(put.Expiration) != want {
		t.Errorf("put: %v, want %s", put.Expiration, want)
	}
	if kept := w.put("plain", "kept", "x"); kept.Expiration != nil {
		t.Errorf("kept: %s", *kept.Expiration)
	}
	head := must[api.HeadObjectOutput](w, "HeadObject", &api.HeadObjectInput{Bucket: new("plain"), Key: new("logs/1")})
	if smithy.Val(head.Expiration) != smithy.Val(put.Expiration) {
		t.Errorf("head: %v", head.Expiration)
	}
	w.run()
	w.pass(3 * day)
	if got := w.versions("plain"); !strings.Contains(got, "logs/1") {
		t.Errorf("gone too soon: %s", got)
	}
	w.pass(day)
	if got := w.versions("plain"); got != "kept STANDARD latest=true" {
		t.Errorf("left: %s", got)
	}
	w.swept()
}

// TestLifecycleOfVersions is a bucket with versions: the current one is hidden,
// old ones go, and at last the marker.
func TestLifecycleOfVersions(t *testing.T) {
	w := newWorld(t)
	w.bucket("kept")
	w.versioned("kept")
	w.put("kept", "k", "1")
	w.put("kept", "k", "2")
	w.put("kept", "k", "3")
	w.rules("kept",
		api.LifecycleRule{Expiration: &api.LifecycleExpiration{Days: new(int32(10))}},
		api.LifecycleRule{NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(2)), NewerNoncurrentVersions: new(int32(1))}},
	)
	w.run()
	w.pass(4 * day)
	if got, want := w.versions("kept"), "k STANDARD latest=true\nk STANDARD latest=false"; got != want {
		t.Errorf("after 4 days:\n%s", got)
	}
	w.pass(7 * day)
	if got, want := w.versions("kept"), "k STANDARD latest=false\nk STANDARD latest=false\nk marker latest=true"; got != want {
		t.Errorf("after 11 days:\n%s", got)
	}
	w.pass(4 * day)
	if got, want := w.versions("kept"), "k STANDARD latest=false\nk marker latest=true"; got != want {
		t.Errorf("after 15 days:\n%s", got)
	}
	w.rules("kept",
		api.LifecycleRule{Expiration: &api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}},
		api.LifecycleRule{NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(2))}},
	)
	w.pass(day)
	w.pass(day)
	if got := w.versions("kept"); got != "" {
		t.Errorf("at last:\n%s", got)
	}
}

// TestLifecycleMovesInPages is more versions than a page of the walk has, which
// are all moved and counted.
func TestLifecycleMovesInPages(t *testing.T) {
	w := newWorld(t)
	w.bucket("many")
	w.versioned("many")
	const keys, each = 420, 3
	for i := range keys {
		for range each {
			w.put("many", fmt.Sprintf("k%04d", i), "x")
		}
	}
	w.rules("many",
		api.LifecycleRule{
			Filter:      &api.LifecycleRuleFilter{ObjectSizeLessThan: new(int64(10))},
			Transitions: []api.Transition{{Days: new(int32(1)), StorageClass: new("GLACIER")}},
		},
		api.LifecycleRule{NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(1)), NewerNoncurrentVersions: new(int32(1))}},
	)
	w.run()
	w.pass(2 * day)
	records, err := w.s.store.Usage(context.Background(), account, "2026-01-04", "2026-01-04")
	if err != nil || len(records) != 1 {
		t.Fatalf("%+v %v", records, err)
	}
	got := records[0].Storage
	if g, s := got["GLACIER"], got["STANDARD"]; g.Objects != keys || s.Objects != keys || g.Billed != keys*(1+32<<10) || s.Billed != keys*(1+8<<10) {
		t.Errorf("counted %+v", got)
	}
}

// TestAbortOfUploads is uploads that nobody finishes.
func TestAbortOfUploads(t *testing.T) {
	w := newWorld(t)
	w.bucket("uploads")
	w.rules("uploads", api.LifecycleRule{ID: new("r"), AbortIncompleteMultipartUpload: &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(2))}})
	up := must[api.CreateMultipartUploadOutput](w, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: new("uploads"), Key: new("k")})
	if up.AbortDate == nil || up.AbortDate.Format(time.DateOnly) != "2026-01-05" || smithy.Val(up.AbortRuleId) != "r" {
		t.Errorf("abort %v %v", up.AbortDate, up.AbortRuleId)
	}
	must[api.UploadPartOutput](w, "UploadPart", &api.UploadPartInput{Bucket: new("uploads"), Key: new("k"), UploadId: up.UploadId, PartNumber: new(int32(1)), Body: strings.NewReader("x")})
	w.run()
	w.pass(3 * day)
	w.refused("ListParts", &api.ListPartsInput{Bucket: new("uploads"), Key: new("k"), UploadId: up.UploadId}, "NoSuchUpload")
	w.swept()
}

// TestRestore is an archived object: refused, restored by the clock, and
// archived again.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	w.bucket("cold")
	must[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{Bucket: new("cold"), Key: new("k"), Body: strings.NewReader("ice"), StorageClass: new("GLACIER")})
	w.refused("PutObject", &api.PutObjectInput{Bucket: new("cold"), Key: new("x"), StorageClass: new("COLD")}, "InvalidStorageClass: The storage class you specified is not valid")
	w.refused("GetObject", &api.GetObjectInput{Bucket: new("cold"), Key: new("k")}, "InvalidObjectState: The operation is not valid for the object's storage class")
	w.refused("CopyObject", &api.CopyObjectInput{Bucket: new("cold"), Key: new("c"), CopySource: new("cold/k")}, "InvalidObjectState: Operation is not valid for the source object's storage class")
	w.put("cold", "warm", "x")
	ask := func(key string, days int32, tier string) *api.RestoreObjectInput {
		return &api.RestoreObjectInput{Bucket: new("cold"), Key: &key, RestoreRequest: &api.RestoreRequest{Days: &days, GlacierJobParameters: &api.GlacierJobParameters{Tier: &tier}}}
	}
	w.refused("RestoreObject", ask("warm", 1, "Standard"), "InvalidObjectState: Restore is not allowed for the object's current storage class")
	w.refused("RestoreObject", ask("k", 0, "Standard"), "InvalidArgument")
	must[api.RestoreObjectOutput](w, "RestoreObject", ask("k", 2, "Standard"))
	w.refused("RestoreObject", ask("k", 2, "Bulk"), "RestoreAlreadyInProgress: Object restore is already in progress")
	head := func() *api.HeadObjectOutput {
		return must[api.HeadObjectOutput](w, "HeadObject", &api.HeadObjectInput{Bucket: new("cold"), Key: new("k")})
	}
	if h := head(); smithy.Val(h.Restore) != `ongoing-request="true"` || smithy.Val(h.StorageClass) != "GLACIER" {
		t.Errorf("begun: %v %v", h.Restore, h.StorageClass)
	}
	w.run()
	w.clock.Advance(5 * time.Hour)
	if got, err := w.get("cold", "k", nil); err != nil || got != "ice" {
		t.Errorf("restored: %q %v", got, err)
	}
	if h := head(); smithy.Val(h.Restore) != `ongoing-request="false", expiry-date="Mon, 05 Jan 2026 00:00:00 GMT"` {
		t.Errorf("restored: %s", *h.Restore)
	}
	listed := must[api.ListObjectsV2Output](w, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: new("cold"), Prefix: new("k"), OptionalObjectAttributes: []string{"RestoreStatus"}})
	if s := listed.Contents[0].RestoreStatus; s == nil || *s.IsRestoreInProgress || s.RestoreExpiryDate == nil {
		t.Errorf("listed %+v", s)
	}
	must[api.CopyObjectOutput](w, "CopyObject", &api.CopyObjectInput{Bucket: new("cold"), Key: new("c"), CopySource: new("cold/k")})
	w.pass(3 * day)
	w.refused("GetObject", &api.GetObjectInput{Bucket: new("cold"), Key: new("k")}, "InvalidObjectState")
	w.until("the end of the restored copy", func() bool {
		b, err := w.s.store.Bucket(context.Background(), "cold")
		if err != nil {
			return false
		}
		o, err := w.s.store.Current(context.Background(), b, "k")
		return err == nil && o.Restore == nil
	})
	if h := head(); h.Restore != nil {
		t.Errorf("over: %s", *h.Restore)
	}
}

// TestIntelligentTiering is an object that nobody reads, until it is restored.
func TestIntelligentTiering(t *testing.T) {
	w := newWorld(t)
	w.bucket("smart")
	conf := &api.IntelligentTieringConfiguration{Id: new("c"), Status: new("Enabled"), Tierings: []api.Tiering{{AccessTier: new(class.TierArchive), Days: new(int32(100))}}}
	w.refused("GetBucketIntelligentTieringConfiguration", &api.GetBucketIntelligentTieringConfigurationInput{Bucket: new("smart"), Id: new("c")}, "NoSuchConfiguration: The specified configuration does not exist.")
	must[api.PutBucketIntelligentTieringConfigurationOutput](w, "PutBucketIntelligentTieringConfiguration", &api.PutBucketIntelligentTieringConfigurationInput{Bucket: new("smart"), Id: new("c"), IntelligentTieringConfiguration: conf})
	if l := must[api.ListBucketIntelligentTieringConfigurationsOutput](w, "ListBucketIntelligentTieringConfigurations", &api.ListBucketIntelligentTieringConfigurationsInput{Bucket: new("smart")}); len(l.IntelligentTieringConfigurationList) != 1 || *l.IsTruncated {
		t.Errorf("listed %+v", l)
	}
	for _, key := range []string{"read", "idle"} {
		must[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{Bucket: new("smart"), Key: &key, Body: bytes.NewReader(make([]byte, 200_000)), StorageClass: new("INTELLIGENT_TIERING")})
	}
	w.run()
	w.pass(60 * day)
	if _, err := w.get("smart", "read", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.s.keeper.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.pass(45 * day)
	status := func(key string) string {
		return smithy.Val(must[api.HeadObjectOutput](w, "HeadObject", &api.HeadObjectInput{Bucket: new("smart"), Key: &key}).ArchiveStatus)
	}
	if status("read") != "" || status("idle") != class.TierArchive {
		t.Errorf("read %q, idle %q", status("read"), status("idle"))
	}
	today := w.clock.Now().UTC().Format("2006-01-02")
	records, err := w.s.store.Usage(context.Background(), account, today, today)
	if err != nil || len(records) != 1 || records[0].Storage["INTELLIGENT_TIERING/INFREQUENT_ACCESS"].Objects != 1 || records[0].Storage["INTELLIGENT_TIERING/ARCHIVE_ACCESS"].Objects != 1 || records[0].Monitored != 2 {
		t.Errorf("counted %+v %v", records, err)
	}
	w.refused("GetObject", &api.GetObjectInput{Bucket: new("smart"), Key: new("idle")}, "InvalidObjectState")
	restore := &api.RestoreObjectInput{Bucket: new("smart"), Key: new("idle"), RestoreRequest: &api.RestoreRequest{GlacierJobParameters: &api.GlacierJobParameters{Tier: new("Expedited")}}}
	must[api.RestoreObjectOutput](w, "RestoreObject", restore)
	w.clock.Advance(5 * time.Minute)
	if _, err := w.get("smart", "idle", nil); err != nil || status("idle") != "" {
		t.Errorf("restored: %v, %s", err, status("idle"))
	}
	must[api.DeleteBucketIntelligentTieringConfigurationOutput](w, "DeleteBucketIntelligentTieringConfiguration", &api.DeleteBucketIntelligentTieringConfigurationInput{Bucket: new("smart"), Id: new("c")})
}

// TestObjectLock is versions that nobody deletes before their time, lifecycle
// rules included.
func TestObjectLock(t *testing.T) {
	w := newWorld(t)
	w.bucket("open")
	until := w.clock.Now().Add(5 * day)
	locked := func(bucket, key, mode string) *api.PutObjectInput {
		return &api.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x"), ObjectLockMode: &mode, ObjectLockRetainUntilDate: &until}
	}
	w.refused("PutObject", locked("open", "k", "GOVERNANCE"), "InvalidRequest: Bucket is missing ObjectLockConfiguration")
	w.refused("GetObjectLockConfiguration", &api.GetObjectLockConfigurationInput{Bucket: new("open")}, "ObjectLockConfigurationNotFoundError: Object Lock configuration does not exist for this bucket")
	w.refused("PutObjectLockConfiguration", &api.PutObjectLockConfigurationInput{Bucket: new("open"), ObjectLockConfiguration: &api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled")}},
		"InvalidBucketState: Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
	w.put("open", "k", "x")
	w.refused("PutObjectLegalHold", &api.PutObjectLegalHoldInput{Bucket: new("open"), Key: new("k"), LegalHold: &api.ObjectLockLegalHold{Status: new("ON")}}, "InvalidRequest: Bucket is missing Object Lock Configuration")

	must[api.CreateBucketOutput](w, "CreateBucket", &api.CreateBucketInput{Bucket: new("worm"), ObjectLockEnabledForBucket: new(true)})
	w.refused("PutBucketVersioning", &api.PutBucketVersioningInput{Bucket: new("worm"), VersioningConfiguration: &api.VersioningConfiguration{Status: new("Suspended")}},
		"InvalidBucketState: An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	gov := must[api.PutObjectOutput](w, "PutObject", locked("worm", "gov", "GOVERNANCE"))
	com := must[api.PutObjectOutput](w, "PutObject", locked("worm", "com", "COMPLIANCE"))
	free := w.put("worm", "free", "x")
	head := must[api.HeadObjectOutput](w, "HeadObject", &api.HeadObjectInput{Bucket: new("worm"), Key: new("com")})
	if smithy.Val(head.ObjectLockMode) != "COMPLIANCE" || !head.ObjectLockRetainUntilDate.Equal(until) || head.ObjectLockLegalHoldStatus != nil {
		t.Errorf("head %+v", head)
	}
	const denied = "AccessDenied: Access Denied because object protected by object lock."
	remove := func(key string, v *string, bypass bool) *api.DeleteObjectInput {
		return &api.DeleteObjectInput{Bucket: new("worm"), Key: &key, VersionId: v, BypassGovernanceRetention: &bypass}
	}
	w.refused("DeleteObject", remove("gov", gov.VersionId, false), denied)
	w.refused("DeleteObject", remove("com", com.VersionId, true), denied)
	many := must[api.DeleteObjectsOutput](w, "DeleteObjects", &api.DeleteObjectsInput{Bucket: new("worm"), Delete: &api.Delete{Objects: []api.ObjectIdentifier{{Key: new("gov"), VersionId: gov.VersionId}}}})
	if len(many.Errors) != 1 || *many.Errors[0].Code != "AccessDenied" || *many.Errors[0].Message != "Access Denied because object protected by object lock." {
		t.Errorf("many: %+v", many)
	}
	must[api.DeleteObjectOutput](w, "DeleteObject", remove("gov", nil, false)) // hides it only
	sooner := &api.PutObjectRetentionInput{Bucket: new("worm"), Key: new("gov"), VersionId: gov.VersionId, Retention: &api.ObjectLockRetention{Mode: new("GOVERNANCE"), RetainUntilDate: new(until.Add(-day))}}
	w.refused("PutObjectRetention", sooner, denied)
	sooner.BypassGovernanceRetention = new(true)
	must[api.PutObjectRetentionOutput](w, "PutObjectRetention", sooner)
	must[api.DeleteObjectOutput](w, "DeleteObject", remove("gov", gov.VersionId, true))
	w.refused("GetObjectRetention", &api.GetObjectRetentionInput{Bucket: new("worm"), Key: new("free")}, "NoSuchObjectLockConfiguration: The specified object does not have a ObjectLock configuration")
	must[api.PutObjectLegalHoldOutput](w, "PutObjectLegalHold", &api.PutObjectLegalHoldInput{Bucket: new("worm"), Key: new("free"), LegalHold: &api.ObjectLockLegalHold{Status: new("ON")}})
	w.refused("DeleteObject", remove("free", free.VersionId, true), denied)

	w.put("worm", "com", "newer")
	w.rules("worm", api.LifecycleRule{NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(1))}})
	w.run()
	w.pass(3 * day)
	if _, err := w.get("worm", "com", com.VersionId); err != nil {
		t.Errorf("the rule deleted a locked version: %v", err)
	}
	w.pass(3 * day)
	if _, err := w.get("worm", "com", com.VersionId); !fault.Is(err, "NoSuchVersion") {
		t.Errorf("the rule left a version whose lock is over: %v", err)
	}
}

// TestDefaultRetention is what a bucket gives its new objects.
func TestDefaultRetention(t *testing.T) {
	w := newWorld(t)
	must[api.CreateBucketOutput](w, "CreateBucket", &api.CreateBucketInput{Bucket: new("worm"), ObjectLockEnabledForBucket: new(true)})
	must[api.PutObjectLockConfigurationOutput](w, "PutObjectLockConfiguration", &api.PutObjectLockConfigurationInput{Bucket: new("worm"), ObjectLockConfiguration: &api.ObjectLockConfiguration{
		ObjectLockEnabled: new("Enabled"), Rule: &api.ObjectLockRule{DefaultRetention: &api.DefaultRetention{Mode: new("COMPLIANCE"), Days: new(int32(1))}},
	}})
	put := w.put("worm", "k", "x")
	got := must[api.GetObjectRetentionOutput](w, "GetObjectRetention", &api.GetObjectRetentionInput{Bucket: new("worm"), Key: new("k")}).Retention
	if *got.Mode != "COMPLIANCE" || !got.RetainUntilDate.Equal(w.clock.Now().Add(day)) {
		t.Errorf("%s until %s", *got.Mode, got.RetainUntilDate)
	}
	w.clock.Advance(day)
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("worm"), Key: new("k"), VersionId: put.VersionId})
}

// TestLifecycleEvents is what a function is told of rules that act.
func TestLifecycleEvents(t *testing.T) {
	w := newWorld(t)
	w.bucket("told")
	if err := w.s.store.ChangeBucket(context.Background(), "told", func(b *store.Bucket) error {
		b.Notify = &api.NotificationConfiguration{LambdaFunctionConfigurations: []api.LambdaFunctionConfiguration{
			{Id: new("n"), LambdaFunctionArn: new("arn:aws:lambda:us-east-1:" + account + ":function:f"), Events: []string{"s3:LifecycleExpiration:*"}},
		}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.put("told", "k", "x")
	w.rules("told", api.LifecycleRule{Expiration: &api.LifecycleExpiration{Days: new(int32(1))}})
	w.run()
	w.pass(2 * day)
	select {
	case q := <-w.runs.requests:
		var doc struct {
			Records []struct {
				EventName    string `json:"eventName"`
				EventVersion string `json:"eventVersion"`
				UserIdentity struct {
					PrincipalID string `json:"principalId"`
				} `json:"userIdentity"`
			}
		}
		if err := json.Unmarshal(q.Payload, &doc); err != nil {
			t.Fatal(err)
		}
		if r := doc.Records[0]; r.EventName != "LifecycleExpiration:Delete" || r.EventVersion != "2.3" || r.UserIdentity.PrincipalID != "s3.amazonaws.com" {
			t.Errorf("%s", q.Payload)
		}
	case <-time.After(5 * time.Second):
		t.Error("no event")
	}
}

// TestUsage is what requests and deletions cost.
func TestUsage(t *testing.T) {
	w := newWorld(t)
	w.bucket("paid")
	must[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{Bucket: new("paid"), Key: new("k"), Body: bytes.NewReader(make([]byte, 1000)), StorageClass: new("STANDARD_IA")})
	out := must[api.GetObjectOutput](w, "GetObject", &api.GetObjectInput{Bucket: new("paid"), Key: new("k")})
	if _, err := io.Copy(io.Discard, out.Body); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(10 * day)
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("paid"), Key: new("k")})
	if err := w.s.keeper.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	records, err := w.s.store.Usage(context.Background(), account, "2026-01-12", "2026-01-12")
	if err != nil || len(records) != 1 {
		t.Fatal(errors.Join(err, fmt.Errorf("%+v", records)))
	}
	r := records[0]
	if r.Requests["STANDARD_IA/Tier1"] != 1 || r.Requests["STANDARD_IA/Tier2"] != 1 || r.Retrieved["STANDARD_IA"] != 1000 || r.Early["STANDARD_IA"] != 20*128<<10 {
		t.Errorf("%+v", r)
	}
}

// TestWalksInTurns is a walk that is interrupted after every page, by one that
// does the same.
func TestWalksInTurns(t *testing.T) {
	w := newWorld(t)
	w.bucket("shared")
	w.versioned("shared")
	for i := range 300 {
		for range 4 {
			w.put("shared", fmt.Sprintf("k%04d", i), "x")
		}
	}
	w.rules("shared", api.LifecycleRule{NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(1)), NewerNoncurrentVersions: new(int32(2))}})
	w.clock.Advance(3 * day)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				done, err := w.s.keeper.Step(context.Background(), "shared")
				if err != nil {
					t.Error(err)
				}
				if done || err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	left := 0
	b, err := w.s.store.Bucket(context.Background(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	perKey := map[string]int{}
	if _, err := w.s.store.ListVersions(context.Background(), b, &listing.Listing{Max: 2000}, "", func(o *store.Object, _ bool) {
		perKey[o.Key]++
		left++
	}); err != nil {
		t.Fatal(err)
	}
	for key, n := range perKey {
		if n != 3 {
			t.Errorf("%s has %d versions, want the current one and two", key, n)
		}
	}
	if left != 900 {
		t.Errorf("%d versions are left, want 900", left)
	}
}

// TestLocksByRequest is what a request with a lock needs: a digest, and
// permissions that conditions can bound.
func TestLocksByRequest(t *testing.T) {
	g := newGate(t)
	must[api.CreateBucketOutput](g.w, "CreateBucket", &api.CreateBucketInput{Bucket: new("worm"), ObjectLockEnabledForBucket: new(true)})
	must[api.PutBucketPolicyOutput](g.w, "PutBucketPolicy", &api.PutBucketPolicyInput{Bucket: new("worm"), Policy: new(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","Principal":"*","Action":["s3:PutObjectRetention","s3:BypassGovernanceRetention"],"Resource":"arn:aws:s3:::worm/*","Condition":{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"10"}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectLegalHold","Resource":"arn:aws:s3:::worm/*","Condition":{"StringEquals":{"s3:object-lock-legal-hold":"OFF"}}}]}`)})
	until := func(days int) string { return g.w.clock.Now().AddDate(0, 0, days).UTC().Format(time.RFC3339) }
	put := func(days int, header ...string) request {
		header = append(header, "x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", until(days))
		return request{who: "bob", method: "PUT", target: "/worm/k", body: "x", header: header}
	}
	sum := md5Base64("x")
	g.want(400, "InvalidRequest", put(5))
	g.want(200, "", put(5, "Content-MD5", sum))
	g.want(403, "AccessDenied", put(11, "Content-MD5", sum))
	g.want(400, "InvalidArgument", put(-1, "Content-MD5", sum))
	hold := func(state string) request {
		return request{who: "bob", method: "PUT", target: "/worm/k?legal-hold", body: "<LegalHold><Status>" + state + "</Status></LegalHold>"}
	}
	g.want(200, "", hold("ON"))
	g.want(403, "AccessDenied", hold("OFF"))
	retention := func(days int, header ...string) request {
		return request{who: "bob", method: "PUT", target: "/worm/k?retention", header: header, body: "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>" + until(days) + "</RetainUntilDate></Retention>"}
	}
	g.want(403, "AccessDenied", retention(3))
	g.want(200, "", retention(3, "x-amz-bypass-governance-retention", "true"))
	g.want(400, "MalformedXML", request{who: "bob", method: "PUT", target: "/worm/k?retention", body: "<Retention><Mode>GOVERNANCE</Mode></Retention>"})
}

// TestUsageOfRequests is requests from outside, which count as those from inside
// do.
func TestUsageOfRequests(t *testing.T) {
	g := newGate(t)
	g.w.bucket("paid")
	g.want(200, "", request{who: "owner", method: "PUT", target: "/paid/k", body: "four", header: []string{"x-amz-storage-class", "GLACIER_IR"}})
	g.want(200, "four", request{who: "owner", method: "GET", target: "/paid/k"})
	g.want(404, "", request{who: "owner", method: "GET", target: "/paid/none"})
	used, err := g.w.s.keeper.Usage(context.Background(), account, "2026-01-02", "2026-01-02")
	if err != nil {
		t.Fatal(err)
	}
	r := used.([]usage.Record)[0]
	want := usage.Counts{
		Requests: map[string]int64{"STANDARD/Tier1": 1, "GLACIER_IR/Tier1": 1, "GLACIER_IR/Tier2": 1},
		Read:     map[string]int64{"GLACIER_IR": 4}, Retrieved: map[string]int64{"GLACIER_IR": 4},
	}
	if d := cmp.Diff(want, r.Counts); d != "" {
		t.Error(d)
	}
}

func md5Base64(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}
