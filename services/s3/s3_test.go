package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/memblob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/store"
)

// judge is a backend that evaluates resource policies only.
type judge struct{}

func (judge) Dispatch(context.Context, *service.Call, smithy.Descriptor, any) (any, error) {
	return nil, fault.New("ResourceNotFoundException", 404, "there are no other services here")
}

func (judge) Judge(_ context.Context, c *service.Call, check service.Check) error {
	d := policy.Evaluate(policy.Request{Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: check.Account, Context: check.Context}, policy.Set{Resource: check.Policy, Grants: check.Grants})
	if d.Allowed {
		return nil
	}
	return fault.New("AccessDenied", 403, "Access Denied")
}

func (judge) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, fault.New("AccessDenied", 403, "no")
}

type runner struct{ requests chan functions.Request }

func (r *runner) InvokeFunction(_ context.Context, q functions.Request) (functions.Response, error) {
	r.requests <- q
	return functions.Response{}, nil
}

const account = "111122223333"

var root = identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}}

type world struct {
	t     *testing.T
	s     *Service
	ops   map[string]service.Operation
	blobs *blob.Store
	kv    *kv.DB
	sched *sched.Scheduler
	clock *clock.Fake
	runs  *runner
	// backend is what calls from inside come to.
	backend service.Backend
}

func newWorld(t *testing.T) *world {
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	ids := ident.NewSeeded(1, clk)
	db := kv.New(memkv.New())
	sealer, err := seal.New(make([]byte, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, kv: db.Scope([]byte("s3/")), clock: clk, runs: &runner{make(chan functions.Request, 8)}, backend: judge{}}
	w.blobs = blob.New(memblob.New(), ids).Scope("s3")
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.sched = sched.New(db.Scope([]byte("sched/")), clk, ids, log)
	broker := &functions.Broker{}
	broker.Bind(w.runs)
	w.s = New(service.Deps{
		KV: w.kv, Blobs: w.blobs, Clock: clk, Ident: ids, Sched: w.sched, Seal: sealer, Log: log, Functions: broker,
		System: func(account, region string) *service.Call {
			return service.NewCall(w.backend, service.Call{Account: account, Region: region, Now: clk.Now()})
		},
	})
	w.ops = map[string]service.Operation{}
	for _, op := range w.s.Definition().Operations {
		_, model := op.Of()
		w.ops[model.Name] = op
	}
	return w
}

func (w *world) call(p identity.Principal) *service.Call {
	return service.NewCall(w.backend, service.Call{Caller: p, Account: account, Region: naming.RegionClassic, RequestID: "req", Now: w.clock.Now()})
}

// do calls an operation as the owner.
func do[Out any](w *world, name string, in any) (*Out, error) {
	out, err := w.ops[name].Call(context.Background(), w.call(root), in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

func must[Out any](w *world, name string, in any) *Out {
	w.t.Helper()
	out, err := do[Out](w, name, in)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return out
}

func (w *world) bucket(name string) {
	w.t.Helper()
	must[api.CreateBucketOutput](w, "CreateBucket", &api.CreateBucketInput{Bucket: new(name)})
}

func (w *world) put(bucket, key, text string) *api.PutObjectOutput {
	w.t.Helper()
	return must[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{Bucket: new(bucket), Key: new(key), Body: strings.NewReader(text)})
}

func (w *world) get(bucket, key string, version *string) (string, error) {
	out, err := do[api.GetObjectOutput](w, "GetObject", &api.GetObjectInput{Bucket: new(bucket), Key: new(key), VersionId: version})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

func code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return fmt.Sprint(err)
}

// blobCount collects garbage and counts what is left.
func (w *world) blobCount() int {
	w.t.Helper()
	n := 0
	if _, err := w.s.store.Reap(context.Background(), -time.Hour); err != nil {
		w.t.Fatal(err)
	}
	if err := w.blobs.List(context.Background(), func(blob.Info) error { n++; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestTableListsEveryOperationOnce(t *testing.T) {
	w := newWorld(t)
	if got, want := len(w.s.Definition().Operations), len(api.Schema.Operations); got != want || len(w.ops) != want {
		t.Errorf("%d rows of %d operations, want %d", got, len(w.ops), want)
	}
	for name, op := range w.ops {
		if op.Level != service.LevelFull && op.Note == "" {
			t.Errorf("%s has no note", name)
		}
	}
}

func TestBodiesOfEverySizeComeBackAndAreEncrypted(t *testing.T) {
	w := newWorld(t)
	w.bucket("bodies")
	for _, n := range []int{0, 1, store.InlineBytesMax, store.InlineBytesMax + 1, 3*blob.BlockBytes + 7} {
		text := strings.Repeat("plain text ", n/11+1)[:n]
		w.put("bodies", "k", text)
		if got, err := w.get("bodies", "k", nil); err != nil || got != text {
			t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
		}
		at := condition.Span{Offset: int64(n) / 3, Length: int64(n) / 2}
		b, _ := w.s.store.Bucket(context.Background(), "bodies")
		o, _ := w.s.store.Current(context.Background(), b, "k")
		r, err := w.s.store.Open(context.Background(), b, o, at)
		if err != nil {
			t.Fatal(err)
		}
		if part, _ := io.ReadAll(r); string(part) != text[at.Offset:at.Offset+at.Length] {
			t.Errorf("%d bytes: a part is not that of the body", n)
		}
		if n == store.InlineBytesMax {
			raw, err := w.kv.Get(context.Background(), tuple.Key("d", o.ID))
			if err != nil || bytes.Contains(raw, []byte("plain")) {
				t.Errorf("the stored body can be read: %v", err)
			}
		}
	}
	if n := w.blobCount(); n != 1 {
		t.Errorf("%d blobs are left, want that of the last body", n)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	w.bucket("vers")
	set := func(status string) {
		must[api.PutBucketVersioningOutput](w, "PutBucketVersioning", &api.PutBucketVersioningInput{Bucket: new("vers"), VersioningConfiguration: &api.VersioningConfiguration{Status: new(status)}})
	}
	list := func() string {
		out := must[api.ListObjectVersionsOutput](w, "ListObjectVersions", &api.ListObjectVersionsInput{Bucket: new("vers")})
		return fmt.Sprintf("%d versions %d markers", len(out.Versions), len(out.DeleteMarkers))
	}
	del := func(version *string) *api.DeleteObjectOutput {
		return must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("vers"), Key: new("k"), VersionId: version})
	}
	w.put("vers", "k", "zero")
	set(store.VersioningEnabled)
	one := w.put("vers", "k", "one").VersionId
	two := w.put("vers", "k", "two").VersionId
	for version, want := range map[string]string{*one: "one", *two: "two", store.NullVersion: "zero"} {
		if got, err := w.get("vers", "k", new(version)); err != nil || got != want {
			t.Errorf("version %s: %q, %v", version, got, err)
		}
	}
	marker := del(nil)
	if _, err := w.get("vers", "k", nil); code(err) != "NoSuchKey" || fault.As(err).Header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("hidden: %v", err)
	}
	if _, err := w.get("vers", "k", marker.VersionId); code(err) != "MethodNotAllowed" {
		t.Errorf("the marker: %v", err)
	}
	set(store.VersioningSuspended)
	w.put("vers", "k", "null again")
	if got := list(); got != "3 versions 1 markers" {
		t.Errorf("after suspending: %s", got)
	}
	if got, _ := w.get("vers", "k", new(store.NullVersion)); got != "null again" {
		t.Errorf("null version: %q", got)
	}
	del(new(store.NullVersion))
	if _, err := w.get("vers", "k", nil); code(err) != "NoSuchKey" {
		t.Errorf("the marker should be current again: %v", err)
	}
	del(marker.VersionId)
	if got, _ := w.get("vers", "k", nil); got != "two" {
		t.Errorf("the newest version should be current again: %q", got)
	}
	del(two)
	del(one)
	if got := list(); got != "0 versions 0 markers" {
		t.Errorf("after all were deleted: %s", got)
	}
	items, err := w.kv.Scan(context.Background(), kv.Prefix(tuple.Key("d")))
	if err != nil || len(items) != 0 {
		t.Errorf("%d bodies are left, %v", len(items), err)
	}
}

// TestVersionsOfKeysThatContinueEachOther: the encoding of one key is a prefix of
// the other's.
func TestVersionsOfKeysThatContinueEachOther(t *testing.T) {
	w := newWorld(t)
	w.bucket("zeros")
	must[api.PutBucketVersioningOutput](w, "PutBucketVersioning", &api.PutBucketVersioningInput{Bucket: new("zeros"), VersioningConfiguration: &api.VersioningConfiguration{Status: new(store.VersioningEnabled)}})
	short := w.put("zeros", "a", "short").VersionId
	w.put("zeros", "a\x00b", "long")
	w.put("zeros", "a\x00b", "longer")
	var listed []string
	in := &api.ListObjectVersionsInput{Bucket: new("zeros"), MaxKeys: new(int32(1))}
	for {
		out := must[api.ListObjectVersionsOutput](w, "ListObjectVersions", in)
		for _, v := range out.Versions {
			listed = append(listed, *v.Key)
		}
		if !*out.IsTruncated {
			break
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
	if want := []string{"a", "a\x00b", "a\x00b"}; !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("zeros"), Key: new("a"), VersionId: short})
	if got, err := w.get("zeros", "a", nil); code(err) != "NoSuchKey" {
		t.Errorf("a after its only version was deleted: %q, %v", got, err)
	}
	if got, err := w.get("zeros", "a\x00b", nil); got != "longer" {
		t.Errorf("the other key: %q, %v", got, err)
	}
}

// TestListingAgreesWithAModel pages through all listings of a set of keys and
// compares with what the definition says.
func TestListingAgreesWithAModel(t *testing.T) {
	w := newWorld(t)
	w.bucket("lists")
	keys := []string{"a", "a\x00", "a\x00b", "a/", "a/b", "a/b/c", "a/b/d", "a/c", "a0", "b\x00c", "b\x00/d", "ü/x", "ü/y", "z//q", "z/", "zz"}
	for _, k := range keys {
		w.put("lists", k, "")
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "a/b", "b\x00", "z/", "nope"} {
		for _, delimiter := range []string{"", "/", "b", "//"} {
			var want []string
			for _, k := range keys {
				if !strings.HasPrefix(k, prefix) {
					continue
				}
				if g := (&listing.Listing{Prefix: prefix, Delimiter: delimiter}).Group(k); g != "" {
					k = g + "*"
				}
				if !slices.Contains(want, k) {
					want = append(want, k)
				}
			}
			for size := int32(1); size < 5; size++ {
				var got []string
				in := &api.ListObjectsV2Input{Bucket: new("lists"), Prefix: new(prefix), Delimiter: new(delimiter), MaxKeys: new(size)}
				for {
					out := must[api.ListObjectsV2Output](w, "ListObjectsV2", in)
					if int32(len(out.Contents)+len(out.CommonPrefixes)) != *out.KeyCount || *out.KeyCount > size {
						t.Fatalf("page of %d: %d", size, *out.KeyCount)
					}
					for _, o := range out.Contents {
						got = append(got, *o.Key)
					}
					for _, p := range out.CommonPrefixes {
						got = append(got, *p.Prefix+"*")
					}
					if !*out.IsTruncated {
						break
					}
					in.ContinuationToken = out.NextContinuationToken
				}
				slices.Sort(got)
				sorted := slices.Sorted(slices.Values(want))
				if !slices.Equal(got, sorted) {
					t.Errorf("prefix %q delimiter %q pages of %d: %q, want %q", prefix, delimiter, size, got, sorted)
				}
			}
		}
	}
}

func TestMultipart(t *testing.T) {
	w := newWorld(t)
	w.bucket("parts")
	at := func() (*string, *string) { return new("parts"), new("k") }
	b, k := at()
	up := must[api.CreateMultipartUploadOutput](w, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: b, Key: k}).UploadId
	bodies := []string{strings.Repeat("a", store.PartBytesMin), strings.Repeat("b", store.PartBytesMin), "end"}
	var parts []api.CompletedPart
	for i, text := range bodies {
		for range 2 { // the second replaces the first
			out := must[api.UploadPartOutput](w, "UploadPart", &api.UploadPartInput{Bucket: b, Key: k, UploadId: up, PartNumber: new(int32(i + 1)), Body: strings.NewReader(text)})
			parts = append(parts[:i], api.CompletedPart{PartNumber: new(int32(i + 1)), ETag: out.ETag})
		}
	}
	complete := func(parts []api.CompletedPart) (*api.CompleteMultipartUploadOutput, error) {
		return do[api.CompleteMultipartUploadOutput](w, "CompleteMultipartUpload", &api.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: up, MultipartUpload: &api.CompletedMultipartUpload{Parts: parts}})
	}
	if _, err := complete([]api.CompletedPart{parts[1], parts[0]}); code(err) != "InvalidPartOrder" {
		t.Errorf("wrong order: %v", err)
	}
	if _, err := complete([]api.CompletedPart{{PartNumber: new(int32(1)), ETag: new("x")}}); code(err) != "InvalidPart" {
		t.Errorf("wrong ETag: %v", err)
	}
	out, err := complete(parts)
	if err != nil || !strings.HasSuffix(*out.ETag, `-3"`) || *out.ChecksumType != checksum.FullObject {
		t.Fatalf("%+v, %v", out, err)
	}
	if got, err := w.get("parts", "k", nil); err != nil || got != strings.Join(bodies, "") {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	d := checksum.NewDigester(checksum.CRC64NVME)
	io.WriteString(d, strings.Join(bodies, ""))
	if *out.ChecksumCRC64NVME != d.Sums()[checksum.CRC64NVME] {
		t.Error("the joined CRC is not that of the whole")
	}
	if n := w.blobCount(); n != len(bodies) {
		t.Errorf("%d blobs, want %d", n, len(bodies))
	}
	if again, err := complete(parts); err != nil || *again.ETag != *out.ETag {
		t.Errorf("completed again, as after a lost answer: %+v, %v", again, err)
	}
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: b, Key: k})
	if _, err := complete(parts); code(err) != "NoSuchUpload" {
		t.Errorf("completed after the object was deleted: %v", err)
	}
	if n := w.blobCount(); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

func TestDeletingABucketEndsItsUploads(t *testing.T) {
	w := newWorld(t)
	w.bucket("gone")
	up := must[api.CreateMultipartUploadOutput](w, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: new("gone"), Key: new("k")}).UploadId
	must[api.UploadPartOutput](w, "UploadPart", &api.UploadPartInput{Bucket: new("gone"), Key: new("k"), UploadId: up, PartNumber: new(int32(1)), Body: strings.NewReader("x")})
	w.put("gone", "o", "x")
	if _, err := do[api.DeleteBucketOutput](w, "DeleteBucket", &api.DeleteBucketInput{Bucket: new("gone")}); code(err) != "BucketNotEmpty" {
		t.Errorf("not empty: %v", err)
	}
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("gone"), Key: new("o")})
	must[api.DeleteBucketOutput](w, "DeleteBucket", &api.DeleteBucketInput{Bucket: new("gone")})
	if n := w.blobCount(); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	items, err := w.kv.Scan(context.Background(), kv.Range{})
	if err != nil || len(items) != 0 {
		t.Errorf("%d records are left, %v", len(items), err)
	}
}

func TestWriteConditions(t *testing.T) {
	w := newWorld(t)
	w.bucket("cond")
	etag := w.put("cond", "k", "x").ETag
	for _, tt := range []struct {
		key               string
		ifMatch, ifAbsent *string
		want              string
	}{
		{"k", nil, new("*"), "PreconditionFailed"},
		{"k", new(`"no"`), nil, "PreconditionFailed"},
		{"new", new(`"no"`), nil, "NoSuchKey"},
		{"k", nil, new(`"tag"`), "NotImplemented"},
		{"k", etag, nil, "<nil>"},
		{"other", nil, new("*"), "<nil>"},
	} {
		_, err := do[api.PutObjectOutput](w, "PutObject", &api.PutObjectInput{Bucket: new("cond"), Key: new(tt.key), Body: strings.NewReader("y"), IfMatch: tt.ifMatch, IfNoneMatch: tt.ifAbsent})
		if code(err) != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestWrongChecksumsKeepNothing(t *testing.T) {
	w := newWorld(t)
	w.bucket("sums")
	for name, value := range map[string]string{
		"Content-Md5": "AAAAAAAAAAAAAAAAAAAAAA==", "X-Amz-Checksum-Crc32": "AAAAAA==",
		"X-Amz-Checksum-Sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	} {
		c := w.call(root)
		r := httptest.NewRequest("PUT", "/sums/k", nil)
		r.ContentLength = 100_000
		r.Header.Set(name, value)
		c.HTTP = &service.HTTP{Request: r, Header: http.Header{}}
		_, err := w.ops["PutObject"].Call(context.Background(), c, &api.PutObjectInput{Bucket: new("sums"), Key: new("k"), Body: strings.NewReader(strings.Repeat("x", 100_000))})
		if code(err) != "BadDigest" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.get("sums", "k", nil); code(err) != "NoSuchKey" || w.blobCount() != 0 {
		t.Errorf("%v, %d blobs", err, w.blobCount())
	}
}

func TestSweepRemovesOnlyWhatNothingNames(t *testing.T) {
	w := newWorld(t)
	w.bucket("sweep")
	w.put("sweep", "k", strings.Repeat("x", store.InlineBytesMax*2))
	if _, err := w.blobs.Put(context.Background(), strings.NewReader("left by a crash")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.store.Collect(context.Background(), -time.Hour, -time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := w.get("sweep", "k", nil); err != nil || w.blobCount() != 1 {
		t.Errorf("%v, %d blobs", err, w.blobCount())
	}
}

func TestPublicAccess(t *testing.T) {
	w := newWorld(t)
	w.bucket("open")
	w.put("open", "k", "x")
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::open/*"}}`
	put := &api.PutBucketPolicyInput{Bucket: new("open"), Policy: new(document)}
	if _, err := do[api.PutBucketPolicyOutput](w, "PutBucketPolicy", put); code(err) != "AccessDenied" {
		t.Errorf("a public policy in a new bucket: %v", err)
	}
	must[api.DeletePublicAccessBlockOutput](w, "DeletePublicAccessBlock", &api.DeletePublicAccessBlockInput{Bucket: new("open")})
	must[api.PutBucketPolicyOutput](w, "PutBucketPolicy", put)
	anonymous := func() error {
		c := w.call(identity.Anonymous())
		_, model := w.ops["GetObject"].Of()
		checks, err := w.s.authorize(context.Background(), c, model, &api.GetObjectInput{Bucket: new("open"), Key: new("k")})
		if err != nil {
			return err
		}
		return c.Judge(context.Background(), checks...)
	}
	if err := anonymous(); err != nil {
		t.Errorf("a public object: %v", err)
	}
	must[api.PutPublicAccessBlockOutput](w, "PutPublicAccessBlock", &api.PutPublicAccessBlockInput{Bucket: new("open"), PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{RestrictPublicBuckets: new(true)}})
	if err := anonymous(); code(err) != "AccessDenied" {
		t.Errorf("restricted: %v", err)
	}
}

func TestEventsAreQueuedWithTheChange(t *testing.T) {
	w := newWorld(t)
	w.bucket("events")
	arn := "arn:aws:lambda:us-east-1:" + account + ":function:f"
	must[api.PutBucketNotificationConfigurationOutput](w, "PutBucketNotificationConfiguration", &api.PutBucketNotificationConfigurationInput{
		Bucket: new("events"), SkipDestinationValidation: new(true),
		NotificationConfiguration: &api.NotificationConfiguration{LambdaFunctionConfigurations: []api.LambdaFunctionConfiguration{{
			LambdaFunctionArn: new(arn), Events: []string{"s3:ObjectCreated:*"},
			Filter: &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{FilterRules: []api.FilterRule{{Name: new("Suffix"), Value: new(".jpg")}}}},
		}}},
	})
	w.put("events", "in/a b+ü.jpg", "x")
	w.put("events", "in/a.txt", "x")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.sched.Run(ctx) }()
	select {
	case q := <-w.runs.requests:
		if !bytes.Contains(q.Payload, []byte(`"key":"in/a+b%2B%C3%BC.jpg"`)) || q.Caller.Service != "s3.amazonaws.com" || q.Caller.SourceARN != "arn:aws:s3:::events" || q.FunctionARN != arn {
			t.Errorf("%+v\n%s", q, q.Payload)
		}
	case <-time.After(5 * time.Second):
		t.Error("no event came")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(w.runs.requests) != 0 {
		t.Error("an event came that the filter leaves out")
	}
}
