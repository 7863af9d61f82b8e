package accesslog

import (
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/store"
)

func TestLine(t *testing.T) {
	e := Entry{
		Owner: "79a5", Bucket: "b", Time: time.Date(2019, 2, 6, 0, 0, 38, 0, time.UTC), RemoteIP: "192.0.2.3", Requester: "arn:aws:iam::1:user/u",
		RequestID: "3E57", Operation: "REST.GET.OBJECT", Key: "a/b c", Request: `GET /b/a/b%20c HTTP/1.1`, Status: 404, Code: "NoSuchKey",
		Sent: 113, Size: -1, Total: 7 * time.Millisecond, UserAgent: "x\" 200 -\n", HostID: "h", Signature: "SigV4", Auth: "AuthHeader", Host: "b.s3",
	}
	const want = `79a5 b [06/Feb/2019:00:00:38 +0000] 192.0.2.3 arn:aws:iam::1:user/u 3E57 REST.GET.OBJECT a/b%2Bc "GET /b/a/b%20c HTTP/1.1" 404 NoSuchKey 113 - 7 0 "-" "x' 200 - " - h SigV4 - AuthHeader b.s3 - - -` + "\n"
	if got := e.Line(); got != want {
		t.Errorf("%s", got)
	}
}

// FuzzLine looks for requests that make more than one line, or other fields.
func FuzzLine(f *testing.F) {
	f.Add("k", "ua", "ref")
	f.Add("a\nb", "\" \"", "\x00")
	f.Fuzz(func(t *testing.T, key, agent, referer string) {
		plain, e := Entry{Key: "k", UserAgent: "a", Referer: "r"}, Entry{Key: key, UserAgent: agent, Referer: referer}
		line := e.Line()
		if strings.Count(line, "\n") != 1 || strings.Count(line, `"`) != strings.Count(plain.Line(), `"`) {
			t.Errorf("%q", line)
		}
	})
}

func TestOperations(t *testing.T) {
	for _, tt := range [][3]string{
		{"GetObject", "GET", "REST.GET.OBJECT"}, {"HeadBucket", "HEAD", "REST.HEAD.BUCKET"}, {"ListObjectsV2", "GET", "REST.GET.BUCKET"},
		{"PutBucketPolicy", "PUT", "REST.PUT.BUCKETPOLICY"}, {"GetBucketVersioning", "GET", "REST.GET.VERSIONING"}, {"UploadPart", "PUT", "REST.PUT.PART"},
		{"PutObjectTagging", "PUT", "REST.PUT.OBJECT_TAGGING"}, {"CopyObject", "PUT", "REST.COPY.OBJECT"}, {"GetBucketLogging", "GET", "REST.GET.LOGGING_STATUS"},
	} {
		if got := Operation(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s: %s", tt[0], got)
		}
	}
}

func TestKeys(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := &store.Bucket{Name: "b", Account: "1", Region: "us-east-1", Logging: &api.LoggingEnabled{TargetPrefix: new("logs/")}}
	if got := keyOf(b, "", now, "AB"); got != "logs/2026-01-02-03-04-05-AB" {
		t.Error(got)
	}
	b.Logging.TargetObjectKeyFormat = &api.TargetObjectKeyFormat{PartitionedPrefix: &api.PartitionedPrefix{PartitionDateSource: new("DeliveryTime")}}
	if got := keyOf(b, "", now, "AB"); got != "logs/1/us-east-1/b/2026/01/02/2026-01-02-03-04-05-AB" {
		t.Error(got)
	}
	if got := keyOf(b, "2026-01-01", now, "AB"); got != "logs/1/us-east-1/b/2026/01/01/2026-01-01-00-00-00-AB" {
		t.Error(got)
	}
}
