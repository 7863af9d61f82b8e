package url

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	jsonType = "application/json"
	// integrationType is what a runtime calls a response with metadata in front.
	integrationType = "application/vnd.awslambda.http-integration-response"
	statusMin       = 200 // an interim status is no answer
	statusMax       = 599
	// preludeMax bounds the metadata in front of a response.
	preludeMax = 128 << 10
)

// preludeEnd stands between the metadata and the body: JSON has no NUL bytes.
var preludeEnd = make([]byte, 8)

// errAnswer is an answer that is none in the format; the client hears of an
// internal error.
var errAnswer = errors.New("the function's answer is not in payload format 2.0")

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// format is an answer of a function in payload format 2.0, or the metadata in
// front of a streamed body.
type format struct {
	StatusCode any             `json:"statusCode"`
	Headers    map[string]any  `json:"headers"`
	Cookies    []string        `json:"cookies"`
	Body       json.RawMessage `json:"body"`
	Base64     bool            `json:"isBase64Encoded"`
}

// answerOf makes the response of what a function has answered: JSON in the
// format; any other JSON, which is a body; or, from functions that stream,
// something of the media type they say.
func answerOf(payload []byte, contentType string) (*answer, error) {
	if contentType == integrationType {
		head, body, ok := bytes.Cut(payload, preludeEnd)
		if !ok {
			return nil, fmt.Errorf("%w: its metadata has no end", errAnswer)
		}
		a, err := metadataOf(head)
		if err == nil {
			a.body = body
		}
		return a, err
	}
	if !json.Valid(payload) {
		if contentType == "" || contentType == jsonType {
			return nil, fmt.Errorf("%w: it is not JSON", errAnswer)
		}
		return plain(payload, contentType), nil
	}
	var f format
	if trimmed := bytes.TrimSpace(payload); trimmed[0] == '{' {
		var probe struct {
			StatusCode json.RawMessage `json:"statusCode"`
		}
		if json.Unmarshal(payload, &probe) == nil && probe.StatusCode != nil {
			if err := json.Unmarshal(payload, &f); err != nil {
				return nil, fmt.Errorf("%w: %w", errAnswer, err)
			}
			return f.answer(true)
		}
	} else if trimmed[0] == '"' {
		var text string
		if err := json.Unmarshal(trimmed, &text); err != nil {
			return nil, err
		}
		payload = []byte(text)
	}
	return plain(payload, jsonType), nil
}

func plain(body []byte, contentType string) *answer {
	return &answer{status: http.StatusOK, header: http.Header{"Content-Type": {contentType}}, body: body}
}

// metadataOf reads what stands in front of a body.
func metadataOf(head []byte) (*answer, error) {
	var f format
	if err := json.Unmarshal(head, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	f.Body = nil
	if f.StatusCode == nil {
		f.StatusCode = float64(http.StatusOK)
	}
	a, err := f.answer(false)
	if err == nil && a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", "application/octet-stream")
	}
	return a, err
}

func (f *format) answer(inferType bool) (*answer, error) {
	status, err := statusOf(f.StatusCode)
	if err != nil {
		return nil, err
	}
	a := &answer{status: status, header: http.Header{}}
	for name, v := range f.Headers {
		value, ok := headerValue(v)
		if !ok || !validName(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("%w: header %q", errAnswer, name)
		}
		if name = outName(name); name != "" {
			a.header[name] = append(a.header[name], value)
		}
	}
	for _, c := range f.Cookies {
		if strings.ContainsAny(c, "\r\n\x00") {
			return nil, fmt.Errorf("%w: a cookie of several lines", errAnswer)
		}
		a.header.Add("Set-Cookie", c)
	}
	if a.body, err = f.body(); err != nil {
		return nil, err
	}
	if inferType && a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", jsonType)
	}
	return a, nil
}

func (f *format) body() ([]byte, error) {
	if len(f.Body) == 0 || string(f.Body) == "null" {
		return nil, nil
	}
	var text string
	if err := json.Unmarshal(f.Body, &text); err != nil {
		return nil, fmt.Errorf("%w: body is not a string", errAnswer)
	}
	if !f.Base64 {
		return []byte(text), nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: body is not base64", errAnswer)
	}
	return raw, nil
}

// statusOf takes numbers, and texts that are numbers.
func statusOf(v any) (int, error) {
	n, whole := 0, false
	switch v := v.(type) {
	case float64:
		n, whole = int(v), v == float64(int(v))
	case string:
		parsed, err := strconv.Atoi(v)
		n, whole = parsed, err == nil
	}
	if !whole || n < statusMin || n > statusMax {
		return 0, fmt.Errorf("%w: statusCode %v", errAnswer, v)
	}
	return n, nil
}

func headerValue(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// validName says that a header's name is a token.
func validName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}

// remapped are headers that are the front's own to say; the function's are
// shown under another name.
var remapped = map[string]bool{"Connection": true, "Date": true, "Server": true, "Upgrade": true, "Www-Authenticate": true, "Via": true, "X-Amzn-Requestid": true}

// outName is the name under which a function's header is sent, "" for none.
func outName(name string) string {
	name = http.CanonicalHeaderKey(name)
	switch {
	case name == "Content-Length" || name == "Transfer-Encoding" || name == "Keep-Alive" || name == "Trailer":
		return "" // they are of the function's own making of the message
	case remapped[name]:
		return "X-Amzn-Remapped-" + name
	}
	return name
}
