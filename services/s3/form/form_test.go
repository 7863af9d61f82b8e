package form

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"moln.dev/moln/aws/fault"
)

// write makes a form of fields given as name, value and a file.
func write(t testing.TB, name, file string, fields ...string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if name != "" {
		f, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, file); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteField("after", "is ignored"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), w.FormDataContentType()
}

func code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return ""
}

func TestRead(t *testing.T) {
	body, kind := write(t, `C:\docs\a b.txt`, "the file", "Key", "up/${filename}", "acl", "private", "x-amz-meta-From", "${filename}", "Policy", "${filename}",
		"Content-Type", "text/plain", "x-amz-signature", "s", "x-amz-checksum-crc32", "AAAAAA==")
	f, err := Read(iotest.OneByteReader(strings.NewReader(body)), kind)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f.File)
	if err != nil || string(got) != "the file" {
		t.Errorf("%q %v", got, err)
	}
	for name, want := range map[string]string{"key": "up/a b.txt", "acl": "private", "x-amz-meta-from": "a b.txt", "policy": "${filename}"} {
		if f.Get(name) != want || !f.Has(name) {
			t.Errorf("%s is %q", name, f.Get(name))
		}
	}
	h := f.Headers()
	if h.Get("X-Amz-Acl") != "private" || h.Get("Content-Type") != "text/plain" || h.Get("X-Amz-Meta-From") != "a b.txt" || h.Get("X-Amz-Checksum-Crc32") == "" || len(h) != 4 {
		t.Error(h)
	}
}

func TestReadRefuses(t *testing.T) {
	good, kind := write(t, "f", "file", "key", "k")
	noFile, noFileKind := write(t, "", "", "key", "k")
	noKey, noKeyKind := write(t, "f", "file", "acl", "private")
	twice, twiceKind := write(t, "f", "file", "key", "k", "KEY", "k2")
	large, largeKind := write(t, "f", "file", "key", strings.Repeat("k", FieldsBytesMax))
	tests := []struct{ name, body, kind, code string }{
		{"no boundary", good, "multipart/form-data", "MalformedPOSTRequest"},
		{"bad type", good, ";", "MalformedPOSTRequest"},
		{"other boundary", good, "multipart/form-data; boundary=x", "MalformedPOSTRequest"},
		{"empty", "", kind, "MalformedPOSTRequest"},
		{"no file", noFile, noFileKind, "InvalidArgument"},
		{"no key", noKey, noKeyKind, "InvalidArgument"},
		{"twice", twice, twiceKind, "InvalidArgument"},
		{"large field", large, largeKind, "MaxPostPreDataLengthExceeded"},
		{"endless field", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + strings.Repeat("x", 1<<20), "multipart/form-data; boundary=b", "MaxPostPreDataLengthExceeded"},
		{"endless header", "--b\r\nContent-Disposition: " + strings.Repeat("x", 1<<20), "multipart/form-data; boundary=b", "MaxPostPreDataLengthExceeded"},
		{"endless preamble", strings.Repeat("x\r\n", 1<<20), "multipart/form-data; boundary=b", "MaxPostPreDataLengthExceeded"},
		{"cut in a header", good[:len(kind)+10], kind, "InvalidArgument"},
		{"cut in a field", good[:strings.Index(good, "\r\n\r\n")+5], kind, "MalformedPOSTRequest"},
	}
	for _, tt := range tests {
		if _, err := Read(strings.NewReader(tt.body), tt.kind); code(err) != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Read(io.MultiReader(strings.NewReader(good[:20]), iotest.ErrReader(broken)), kind); !errors.Is(err, broken) {
		t.Errorf("a broken connection: %v", err)
	}
}

// A file that breaks off is not stored as a shorter one.
func TestReadBrokenFile(t *testing.T) {
	good, kind := write(t, "f", strings.Repeat("x", 10<<10), "key", "k")
	f, err := Read(strings.NewReader(good[:8<<10]), kind)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(f.File); code(err) != "MalformedPOSTRequest" {
		t.Error(err)
	}
}

func TestIsForm(t *testing.T) {
	tests := []struct {
		method, target, kind string
		want                 bool
	}{
		{"POST", "/b", "multipart/form-data; boundary=x", true},
		{"POST", "/b", "Multipart/Form-Data", true},
		{"POST", "/b?delete", "multipart/form-data", false},
		{"PUT", "/b", "multipart/form-data", false},
		{"POST", "/b", "application/xml", false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		r.Header.Set("Content-Type", tt.kind)
		if got := IsForm(r); got != tt.want {
			t.Errorf("%v: %v", tt, got)
		}
	}
}

func encoded(document string) string { return base64.StdEncoding.EncodeToString([]byte(document)) }

func TestParsePolicyRefuses(t *testing.T) {
	const until = `"expiration":"2030-01-01T00:00:00Z"`
	tests := []struct{ document, message string }{
		{`{` + until + `,"conditions":[]}`, ""},
		{`{` + until + `,"conditions":[["CONTENT-length-range","1",2],["Eq","$Key","x"],{"BUCKET":"b"}]}`, ""},
		{``, "Expecting '{' but found End-of-Input"},
		{`null`, "Invalid JSON."},
		{`{`, "Invalid JSON."},
		{`{` + until + `,"conditions":[]} x`, "Invalid JSON."},
		{`{"conditions":[]}`, "Policy missing expiration."},
		{`{` + until + `}`, "Policy missing conditions."},
		{`{` + until + `,"conditions":{}}`, "Invalid 'conditions' value: must be a List."},
		{`{` + until + `,"conditions":null}`, "Invalid 'conditions' value: must be a List."},
		{`{"expiration":"tomorrow","conditions":[]}`, "Invalid 'expiration' value: 'tomorrow'"},
		{`{"expiration":5,"conditions":[]}`, "Invalid JSON."},
		{`{` + until + `,"conditions":[],"x":1}`, "Unexpected: \"x\""},
		{`{` + until + `,"conditions":[{"a":"b","c":"d"}]}`, "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."},
		{`{` + until + `,"conditions":[{}]}`, "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."},
		{`{` + until + `,"conditions":[{"success_action_status":201}]}`, "Invalid Simple-Condition: value must be a string."},
		{`{` + until + `,"conditions":["x"]}`, "Invalid condition test: must be a List or Object."},
		{`{` + until + `,"conditions":[["eq","$key"]]}`, "Invalid eq: wrong number of arguments."},
		{`{` + until + `,"conditions":[[]]}`, "Invalid Condition: missing operation identifier."},
		{`{` + until + `,"conditions":[["eq","$key",5]]}`, "Invalid JSON."},
		{`{` + until + `,"conditions":[["gt","$key","x"]]}`, "Invalid Condition: unknown operation 'gt'."},
		{`{` + until + `,"conditions":[[1,"$key","x"]]}`, "Invalid JSON."},
		{`{` + until + `,"conditions":[["content-length-range",-1,2]]}`, "Invalid JSON."},
		{`{` + until + `,"conditions":[["content-length-range",0,"many"]]}`, "Invalid JSON."},
		{`{` + until + `,"conditions":[["content-length-range",0,1.5]]}`, "Invalid JSON."},
	}
	for _, tt := range tests {
		_, err := ParsePolicy(encoded(tt.document))
		switch {
		case tt.message == "" && err == nil:
		case code(err) != "InvalidPolicyDocument" || fault.As(err).Message != "Invalid Policy: "+tt.message:
			t.Errorf("%s: %v", tt.document, err)
		}
	}
	if _, err := ParsePolicy("?"); code(err) != "InvalidPolicyDocument" {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	all := `["starts-with","$key","up/"],{"bucket":"b"}`
	tests := []struct {
		name, conditions string
		fields           []string
		message          string
	}{
		{"good", all, nil, ""},
		{"any case", `["Starts-With","$KEY","up/"],{"Bucket":"b"}`, nil, ""},
		{"key", `["starts-with","$key","down/"],{"bucket":"b"}`, nil, `Policy Condition failed: ["starts-with", "$key", "down/"]`},
		{"exact", `{"key":"up/f"},{"bucket":"b"}`, nil, ""},
		{"not exact", `{"key":"up/g"},{"bucket":"b"}`, nil, `Policy Condition failed: ["eq", "$key", "up/g"]`},
		{"bucket", `["eq","$key","up/f"],["eq","$bucket","c"]`, nil, `Policy Condition failed: ["eq", "$bucket", "c"]`},
		{"bucket unnamed", `["eq","$key","up/f"]`, nil, `Extra input fields: bucket`},
		{"extra", all, []string{"x-amz-meta-a", "1", "submit", "go"}, `Extra input fields: submit, x-amz-meta-a`},
		{"ignored", all, []string{"x-ignore-a", "1", "x-amz-signature", "s", "policy", "p"}, ""},
		{"missing", all + `,["eq","$acl","private"]`, nil, `Policy Condition failed: ["eq", "$acl", "private"]`},
		{"missing, anything", all + `,["starts-with","$acl",""]`, nil, ""},
		{"missing, prefix", all + `,["starts-with","$acl","p"]`, nil, `Policy Condition failed: ["starts-with", "$acl", "p"]`},
		{"anything", all + `,["starts-with","$acl",""]`, []string{"acl", "x"}, ""},
		{"two", all + `,["starts-with","$acl","p"],["eq","$acl","public-read"]`, []string{"acl", "private"}, `Policy Condition failed: ["eq", "$acl", "public-read"]`},
		{"list", all + `,["starts-with","$Content-Type","image/"]`, []string{"content-type", "image/jpg, image/gif"}, ""},
		{"not list", all + `,["starts-with","$Content-Type","image/"]`, []string{"content-type", "image/jpg,text/html"}, `Policy Condition failed: ["starts-with", "$Content-Type", "image/"]`},
	}
	for _, tt := range tests {
		body, kind := write(t, "f", "file", append([]string{"key", "up/${filename}"}, tt.fields...)...)
		f, err := Read(strings.NewReader(body), kind)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePolicy(encoded(`{"expiration":"2029-01-01T00:00:01.5Z","conditions":[` + tt.conditions + `]}`))
		if err != nil {
			t.Fatal(tt.name, err)
		}
		err = p.Check(f, "b")
		switch {
		case tt.message == "" && err == nil:
		case code(err) != "AccessDenied" || fault.As(err).Message != "Invalid according to Policy: "+tt.message:
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestExpires(t *testing.T) {
	p, err := ParsePolicy(encoded(`{"expiration":"2029-01-01T00:00:01.5+01:00","conditions":[]}`))
	if err != nil || !p.Expires.Equal(time.Date(2028, 12, 31, 23, 0, 1, 5e8, time.UTC)) {
		t.Error(p, err)
	}
}

func TestSigned(t *testing.T) {
	good := map[string]string{
		"policy": "p", "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": "AKID/20260102/us-east-1/s3/aws4_request",
		"x-amz-date": "20260102T030405Z", "x-amz-signature": "s", "x-amz-security-token": "t",
	}
	got, err := (&Form{fields: good}).Signed()
	if want := (Signature{"AKID", "t", "20260102", "us-east-1", "s3", "p", "s"}); err != nil || *got != want {
		t.Errorf("%v %v", got, err)
	}
	if got, err := (&Form{fields: map[string]string{"key": "k"}}).Signed(); got != nil || err != nil {
		t.Errorf("nobody: %v %v", got, err)
	}
	for _, tt := range []struct{ name, value, code string }{
		{"x-amz-signature", "", "InvalidArgument"}, {"x-amz-date", "", "InvalidArgument"},
		{"x-amz-algorithm", "AWS4-HMAC-SHA1", "InvalidArgument"}, {"x-amz-date", "20260103T030405Z", "InvalidArgument"},
		{"x-amz-date", "today", "InvalidArgument"}, {"x-amz-credential", "AKID/20260102/us-east-1/sqs/aws4_request", "InvalidArgument"},
		{"x-amz-credential", "AKID", "InvalidArgument"}, {"awsaccesskeyid", "AKID", "InvalidRequest"},
	} {
		fields := maps.Clone(good)
		fields[tt.name] = tt.value
		if _, err := (&Form{fields: fields}).Signed(); code(err) != tt.code {
			t.Errorf("%s=%q: %v", tt.name, tt.value, err)
		}
	}
}

func TestTagging(t *testing.T) {
	for _, tt := range []struct{ document, want, code string }{
		{"", "", ""},
		{"<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>", "a+b=1%262&c=", ""},
		{"<Tags/>", "", "MalformedXML"},
		{"a=b", "", "MalformedXML"},
	} {
		got, err := (&Form{fields: map[string]string{"tagging": tt.document}}).Tagging()
		if got != tt.want || code(err) != tt.code {
			t.Errorf("%s: %s %v", tt.document, got, err)
		}
	}
}

func TestLimit(t *testing.T) {
	tests := []struct {
		conditions string
		size       int
		code       string
	}{
		{``, 100, ""},
		{`["content-length-range",2,4]`, 1, "EntityTooSmall"},
		{`["content-length-range",2,4]`, 2, ""},
		{`["content-length-range",2,4]`, 4, ""},
		{`["content-length-range",2,4]`, 5, "EntityTooLarge"},
		{`["content-length-range",2,4],["content-length-range",0,3]`, 4, "EntityTooLarge"},
		{`["content-length-range",4,2]`, 3, "EntityTooLarge"},
		{`["content-length-range",0,0]`, 0, ""},
		{`["content-length-range",0,0]`, 1, "EntityTooLarge"},
	}
	for _, tt := range tests {
		p, err := ParsePolicy(encoded(`{"expiration":"2029-01-01T00:00:00Z","conditions":[` + tt.conditions + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []io.Reader{strings.NewReader(strings.Repeat("x", tt.size)), iotest.DataErrReader(strings.NewReader(strings.Repeat("x", tt.size)))} {
			if _, err := io.ReadAll(p.Limit(r)); code(err) != tt.code || (err != nil) != (tt.code != "") {
				t.Errorf("%s %d: %v", tt.conditions, tt.size, err)
			}
		}
	}
}

func TestAnswer(t *testing.T) {
	s := Stored{Bucket: "b", Key: "a b<", ETag: `"e"`, Location: "http://h/b/a%20b%3C"}
	tests := []struct {
		field, value string
		status       int
		location     string
		body         string
	}{
		{"x", "", 204, s.Location, ""},
		{"success_action_status", "200", 200, s.Location, ""},
		{"success_action_status", "201", 201, s.Location, "<PostResponse><Location>http://h/b/a%20b%3C</Location><Bucket>b</Bucket><Key>a b&lt;</Key><ETag>&#34;e&#34;</ETag></PostResponse>"},
		{"success_action_status", "404", 204, s.Location, ""},
		{"success_action_status", "no", 204, s.Location, ""},
		{"success_action_redirect", "https://e.com/x?y=1", 303, "https://e.com/x?y=1&bucket=b&etag=%22e%22&key=a+b%3C", ""},
		{"redirect", "http://e.com", 303, "http://e.com?bucket=b&etag=%22e%22&key=a+b%3C", ""},
		{"success_action_redirect", "javascript:alert(1)", 204, s.Location, ""},
		{"success_action_redirect", "/here", 204, s.Location, ""},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		(&Form{fields: map[string]string{tt.field: tt.value}}).Answer(w, s)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location || w.Header().Get("Etag") != s.ETag || strings.TrimPrefix(w.Body.String(), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") != tt.body {
			t.Errorf("%v: %d %v %q", tt, w.Code, w.Header(), w.Body)
		}
	}
}

func FuzzRead(f *testing.F) {
	body, kind := write(f, "f", "file", "key", "k", "acl", "private")
	f.Add(body, kind)
	f.Add("--b\r\n\r\n\r\n--b--", "multipart/form-data; boundary=b")
	f.Fuzz(func(t *testing.T, body, kind string) {
		form, err := Read(strings.NewReader(body), kind)
		if err != nil {
			if fault.As(err) == nil {
				t.Fatal(err)
			}
			return
		}
		if form.Get("key") == "" {
			t.Fatal("no key")
		}
		if _, err := io.Copy(io.Discard, form.File); err != nil && fault.As(err) == nil {
			t.Fatal(err)
		}
		form.Answer(httptest.NewRecorder(), Stored{Location: http.MethodGet})
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"expiration":"2029-01-01T00:00:00Z","conditions":[{"a":"b"},["eq","$key","x"],["content-length-range",1,"2"]]}`)
	f.Add(`{"conditions":[[{}]]}`)
	f.Fuzz(func(t *testing.T, document string) {
		p, err := ParsePolicy(encoded(document))
		if err != nil {
			if fault.As(err) == nil {
				t.Fatal(err)
			}
			return
		}
		form := &Form{fields: map[string]string{"key": "k", "acl": "private"}}
		if err := p.Check(form, "b"); err == nil && !strings.Contains(strings.ToLower(document), "key") && !strings.Contains(document, `\u`) {
			t.Fatal("a form passed without a condition for its key")
		}
	})
}
