package accesslog

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Entry is one request, as a log tells of it. Empty fields are told as "-".
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
type Entry struct {
	Owner, Bucket       string
	Time                time.Time
	RemoteIP, Requester string
	RequestID           string
	Operation, Key      string
	Request             string // "GET /b/k HTTP/1.1"
	Status              int
	Code                string
	Sent, Size          int64 // -1: none
	Total, Turnaround   time.Duration
	Referer, UserAgent  string
	Version, HostID     string
	Signature           string // "SigV4"
	Cipher, Auth, Host  string
	TLS, Point          string
}

// Line is the entry in AWS's format, with a line feed.
func (e *Entry) Line() string {
	fields := []string{
		word(e.Owner), word(e.Bucket), e.Time.UTC().Format("[02/Jan/2006:15:04:05 -0700]"), word(e.RemoteIP), word(e.Requester),
		word(e.RequestID), word(e.Operation), word(encode(e.Key)), quoted(e.Request), number(int64(e.Status)), word(e.Code),
		number(e.Sent), number(e.Size), number(e.Total.Milliseconds()), number(e.Turnaround.Milliseconds()),
		quoted(e.Referer), quoted(e.UserAgent), word(e.Version), word(e.HostID), word(e.Signature), word(e.Cipher), word(e.Auth),
		word(e.Host), word(e.TLS), word(e.Point), "-",
	}
	return strings.Join(fields, " ") + "\n"
}

// word is a field without spaces.
func word(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '+'
		}
		return r
	}, s)
}

// quoted is a field that may have spaces. What clients send must not end it, or
// the line.
func quoted(s string) string {
	if s == "" {
		return `"-"`
	}
	return `"` + strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, s) + `"`
}

func number(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// encode is a key as logs have it: encoded twice, but for its slashes.
func encode(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = url.QueryEscape(url.QueryEscape(p))
	}
	return strings.Join(parts, "/")
}

// resources are the last words of the operations whose names do not tell them.
var resources = map[string]string{
	"ListBuckets": "GET.SERVICE", "ListObjects": "GET.BUCKET", "ListObjectsV2": "GET.BUCKET", "ListObjectVersions": "GET.BUCKETVERSIONS",
	"CopyObject": "COPY.OBJECT", "UploadPart": "PUT.PART", "UploadPartCopy": "COPY.PART", "CreateMultipartUpload": "POST.UPLOADS",
	"CompleteMultipartUpload": "POST.UPLOAD", "AbortMultipartUpload": "DELETE.UPLOAD", "ListParts": "GET.UPLOAD", "ListMultipartUploads": "GET.UPLOADS",
	"DeleteObjects": "POST.MULTI_OBJECT_DELETE", "GetBucketLocation": "GET.LOCATION", "RestoreObject": "POST.RESTORE",
}

// Operations of a bucket whose resource has another name than the model's.
var renamed = map[string]string{
	"POLICY": "BUCKETPOLICY", "POLICY_STATUS": "POLICY_STATUS", "LOGGING": "LOGGING_STATUS", "NOTIFICATION_CONFIGURATION": "NOTIFICATION",
	"LIFECYCLE_CONFIGURATION": "LIFECYCLE", "INVENTORY_CONFIGURATION": "INVENTORY", "ACCELERATE_CONFIGURATION": "ACCELERATE",
	"INTELLIGENT_TIERING_CONFIGURATION": "INTELLIGENT_TIERING",
}

// Operation names an operation as logs do: "REST.GET.OBJECT".
func Operation(name, method string) string {
	if r, ok := resources[name]; ok {
		return "REST." + r
	}
	words := split(name)
	if len(words) > 1 {
		words = words[1:] // the verb
	}
	if len(words) > 1 && words[0] == "BUCKET" {
		words = words[1:]
	}
	resource := strings.Join(words, "_")
	if r, ok := renamed[resource]; ok {
		resource = r
	}
	return fmt.Sprintf("REST.%s.%s", method, resource)
}

// split takes a name in camel case apart, in upper case.
func split(name string) []string {
	var out []string
	for _, r := range name {
		if unicode.IsUpper(r) || len(out) == 0 {
			out = append(out, "")
		}
		out[len(out)-1] += string(unicode.ToUpper(r))
	}
	return out
}
