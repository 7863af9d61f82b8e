package s3

import (
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// inside is a backend that S3's own operations are called through, with what
// they ask for judged by the bucket's policy.
type inside struct {
	judge
	w *world
}

func (i inside) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (any, error) {
	_, model := d.Of()
	op, ok := i.w.ops[model.Name]
	if !ok {
		return nil, fault.New("NotImplemented", 501, "no")
	}
	checks, err := i.w.s.authorize(ctx, c, model, in)
	if err != nil {
		return nil, err
	}
	for _, check := range checks {
		if err := i.Judge(ctx, c, check); err != nil {
			return nil, err
		}
	}
	return op.Call(ctx, c, in)
}

func (w *world) text(bucket, key string) string {
	w.t.Helper()
	s, err := w.get(bucket, key, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) keys(bucket string) (out []string) {
	w.t.Helper()
	for _, o := range must[api.ListObjectsV2Output](w, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: &bucket}).Contents {
		out = append(out, *o.Key)
	}
	return out
}

func (w *world) allow(bucket, principal string) {
	w.t.Helper()
	must[api.PutBucketPolicyOutput](w, "PutBucketPolicy", &api.PutBucketPolicyInput{Bucket: &bucket, Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + principal + `"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::` + bucket + `/*"}]}`)})
}

// TestInventory is a report of versions, and none from a bucket that may not
// write it.
func TestInventory(t *testing.T) {
	w := newWorld(t)
	w.backend = inside{w: w}
	w.bucket("src")
	w.versioned("src")
	w.bucket("dst")
	w.allow("dst", "s3.amazonaws.com")
	conf := &api.InventoryConfiguration{
		Id: new("all"), IsEnabled: new(true), IncludedObjectVersions: new("All"), Schedule: &api.InventorySchedule{Frequency: new("Daily")},
		Filter: &api.InventoryFilter{Prefix: new("in/")}, OptionalFields: []string{"ETag", "Size", "StorageClass", "EncryptionStatus"},
		Destination: &api.InventoryDestination{S3BucketDestination: &api.InventoryS3BucketDestination{Bucket: new("arn:aws:s3:::dst"), Format: new("CSV"), Prefix: new("reports")}},
	}
	must[api.PutBucketInventoryConfigurationOutput](w, "PutBucketInventoryConfiguration", &api.PutBucketInventoryConfigurationInput{Bucket: new("src"), Id: new("all"), InventoryConfiguration: conf})
	first := w.put("src", "in/a b", "1")
	second := w.put("src", "in/a b", "22")
	w.put("src", "out", "3")
	marker := must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("src"), Key: new("in/gone")})
	w.run()
	find := func(suffix string) string {
		keys := w.keys("dst")
		if i := slices.IndexFunc(keys, func(k string) bool { return strings.HasSuffix(k, suffix) }); i >= 0 {
			return keys[i]
		}
		return ""
	}
	w.until("the report", func() bool { return find("manifest.checksum") != "" })
	raw := w.text("dst", find("manifest.json"))
	sum := md5.Sum([]byte(raw))
	if got := w.text("dst", find("manifest.checksum")); got != hex.EncodeToString(sum[:]) {
		t.Errorf("checksum: %s", got)
	}
	var m struct {
		FileSchema string
		Files      []struct {
			Key string
			MD5 string `json:"MD5checksum"`
		}
	}
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatal(err)
	}
	if m.FileSchema != "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, StorageClass, EncryptionStatus" || !strings.HasPrefix(m.Files[0].Key, "reports/src/all/data/") {
		t.Errorf("%+v", m)
	}
	data := w.text("dst", m.Files[0].Key)
	if sum := md5.Sum([]byte(data)); hex.EncodeToString(sum[:]) != m.Files[0].MD5 {
		t.Error("the data's checksum is wrong")
	}
	z, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	want := `"src","in/a+b","` + *second.VersionId + `","true","false","2",` + *second.ETag + `,"STANDARD","SSE-S3"
"src","in/a+b","` + *first.VersionId + `","false","false","1",` + *first.ETag + `,"STANDARD","SSE-S3"
"src","in/gone","` + *marker.VersionId + `","true","true","","","",""
`
	if diff := cmp.Diff(want, string(rows)); diff != "" {
		t.Error(diff)
	}
	// The next day there is another one.
	w.clock.Advance(day)
	w.until("the next report", func() bool { return strings.Count(strings.Join(w.keys("dst"), "\n"), "manifest.json") == 2 })
}

// TestAccessLogs is a request that is told of in another bucket.
func TestAccessLogs(t *testing.T) {
	w := newWorld(t)
	w.backend = inside{w: w}
	w.bucket("src")
	w.bucket("dst")
	in := &api.PutBucketLoggingInput{Bucket: new("src"), BucketLoggingStatus: &api.BucketLoggingStatus{LoggingEnabled: &api.LoggingEnabled{TargetBucket: new("dst"), TargetPrefix: new("l/")}}}
	w.refused("PutBucketLogging", in, "InvalidTargetBucketForLogging")
	w.allow("dst", "logging.s3.amazonaws.com")
	must[api.PutBucketLoggingOutput](w, "PutBucketLogging", in)
	c := w.call(root)
	c.HTTP = requested("GET", "/src/k")
	w.s.logs.Answered(c, modelOf(w, "GetObject"), &api.GetObjectInput{Bucket: new("src"), Key: new("k")}, service.Answer{Status: 404, Code: "NoSuchKey", Bytes: 9, Took: time.Millisecond})
	w.s.logs.Flush(context.Background())
	keys := w.keys("dst")
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "l/2026-01-02-03-04-05-") {
		t.Fatalf("%q", keys)
	}
	if got := w.text("dst", keys[0]); !strings.Contains(got, ` src [02/Jan/2026:03:04:05 +0000] 192.0.2.1 arn:aws:iam::`+account+`:root req REST.GET.OBJECT k "GET /src/k HTTP/1.1" 404 NoSuchKey 9 - 1 1 "-" "-" - req - - - example.com - - -`+"\n") {
		t.Errorf("%s", got)
	}
	// Turned off, nothing is written any more.
	must[api.PutBucketLoggingOutput](w, "PutBucketLogging", &api.PutBucketLoggingInput{Bucket: new("src"), BucketLoggingStatus: &api.BucketLoggingStatus{}})
	w.s.logs.Answered(c, modelOf(w, "GetObject"), &api.GetObjectInput{Bucket: new("src"), Key: new("k")}, service.Answer{Status: 200})
	w.s.logs.Flush(context.Background())
	if n := len(w.keys("dst")); n != 1 {
		t.Errorf("%d logs", n)
	}
}

func modelOf(w *world, name string) *smithy.Operation {
	_, model := w.ops[name].Of()
	return model
}

func requested(method, target string) *service.HTTP {
	return &service.HTTP{Request: httptest.NewRequest(method, target, nil)}
}
