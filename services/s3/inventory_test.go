package s3

import (
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// manyObjects are more than two pages of a report.
const manyObjects = 2105

// TestInventoryOfManyFiles: a report of several pages and files has every version
// once and in order, and its files are what the manifest says they are.
func TestInventoryOfManyFiles(t *testing.T) {
	w := newWorld(t)
	w.backend = inside{w: w}
	w.s.reports.FileRows = 900
	w.bucket("src")
	w.versioned("src")
	w.bucket("dst")
	w.allow("dst", "s3.amazonaws.com")
	var want []string
	for i := range manyObjects {
		key := fmt.Sprintf("k%05d", i)
		line := func(id *string, latest bool) string { return fmt.Sprintf(`"src",%q,%q,"%t","false"`, key, *id, latest) }
		first := w.put("src", key, "1").VersionId
		if i%100 != 99 { // so that pages end between versions of one key
			want = append(want, line(first, true))
			continue
		}
		second := w.put("src", key, "2").VersionId
		want = append(want, line(second, true), line(first, false))
	}
	must[api.PutBucketInventoryConfigurationOutput](w, "PutBucketInventoryConfiguration", &api.PutBucketInventoryConfigurationInput{
		Bucket: new("src"), Id: new("all"), InventoryConfiguration: &api.InventoryConfiguration{
			Id: new("all"), IsEnabled: new(true), IncludedObjectVersions: new("All"), Schedule: &api.InventorySchedule{Frequency: new("Daily")},
			Destination: &api.InventoryDestination{S3BucketDestination: &api.InventoryS3BucketDestination{Bucket: new("arn:aws:s3:::dst"), Format: new("CSV")}},
		},
	})
	w.run()
	w.until("the report", func() bool { return strings.Contains(strings.Join(w.keys("dst"), "\n"), "manifest.checksum") })
	got, links := w.reported("dst")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d rows, want %d: %s", len(got), len(want), diff)
	}
	before := w.keys("dst")
	if files := (len(want) + 899) / 900; len(links) != files || len(before) != files+3 {
		t.Errorf("%d files, %d objects", len(links), len(before))
	}
}

// reported reads the only report in a bucket: its rows, and what its list of links
// has. All sums must be right.
func (w *world) reported(bucket string) (rows, links []string) {
	w.t.Helper()
	var raw, sum string
	for _, k := range w.keys(bucket) {
		switch {
		case strings.HasSuffix(k, "/manifest.json"):
			raw = w.text(bucket, k)
		case strings.HasSuffix(k, "/manifest.checksum"):
			sum = w.text(bucket, k)
		case strings.HasSuffix(k, "/symlink.txt"):
			links = strings.Split(w.text(bucket, k), "\n")
		}
	}
	hexMD5 := func(s string) string {
		sum := md5.Sum([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	if hexMD5(raw) != sum {
		w.t.Errorf("the manifest's checksum is %s", sum)
	}
	var m struct {
		Files []struct {
			Key  string
			Size int
			MD5  string `json:"MD5checksum"`
		}
	}
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		w.t.Fatal(err)
	}
	for i, f := range m.Files {
		data := w.text(bucket, f.Key)
		if len(data) != f.Size || hexMD5(data) != f.MD5 || links[i] != "s3://"+bucket+"/"+f.Key {
			w.t.Errorf("%+v is %d bytes, link %s", f, len(data), links[i])
		}
		z, err := gzip.NewReader(strings.NewReader(data))
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			w.t.Fatal(err)
		}
		rows = append(rows, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return rows, links
}

// TestInventoryFormats: what a report cannot be is refused when it is asked for.
func TestInventoryFormats(t *testing.T) {
	w := newWorld(t)
	w.bucket("src")
	for format, want := range map[string]string{"ORC": "NotImplemented: moln's inventories are CSV", "Parquet": "NotImplemented: moln's inventories are CSV", "XML": "MalformedXML"} {
		w.refused("PutBucketInventoryConfiguration", &api.PutBucketInventoryConfigurationInput{
			Bucket: new("src"), Id: new("all"), InventoryConfiguration: &api.InventoryConfiguration{
				Id: new("all"), IsEnabled: new(true), IncludedObjectVersions: new("All"), Schedule: &api.InventorySchedule{Frequency: new("Daily")},
				Destination: &api.InventoryDestination{S3BucketDestination: &api.InventoryS3BucketDestination{Bucket: new("arn:aws:s3:::dst"), Format: &format}},
			},
		}, want)
	}
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
