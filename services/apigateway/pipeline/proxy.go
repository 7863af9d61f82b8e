package pipeline

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"moln.dev/moln/services/apigateway/vtl"
)

// lambdaProxy runs a proxy integration.
func (x *exchange) lambdaProxy(ctx context.Context, i *integration) (*Response, error) {
	payload, err := x.proxyEvent()
	if err != nil {
		return nil, err
	}
	resp, err := x.invoke(ctx, i, payload)
	if err != nil {
		return nil, err
	}
	if resp.FunctionError != "" {
		return nil, malformedProxy("the function failed: " + errorMessage(resp.Payload))
	}
	out, err := x.api.proxyResponse(resp.Payload, x.req.Header.Get("Accept"))
	if err != nil {
		return nil, malformedProxy(err.Error())
	}
	if x.req.TraceID != "" {
		out.Header.Set("X-Amzn-Trace-Id", x.req.TraceID)
	}
	return out, nil
}

// proxyResponse reads a function's proxy result. What AWS takes for malformed
// is an error.
func (a *API) proxyResponse(payload []byte, accept string) (*Response, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("not a JSON object")
	}
	for name := range fields {
		switch name {
		case "statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded":
		default:
			return nil, fmt.Errorf("unknown member %s", name)
		}
	}
	out := &Response{Header: http.Header{}}
	var err error
	if out.Status, err = proxyStatus(fields["statusCode"]); err != nil {
		return nil, err
	}
	if err := proxyHeaders(out.Header, fields["headers"], fields["multiValueHeaders"]); err != nil {
		return nil, err
	}
	var body *string
	if raw, ok := fields["body"]; ok {
		if err := json.Unmarshal(raw, &body); err != nil {
			return nil, fmt.Errorf("body is not a string")
		}
	}
	var encoded *bool
	if raw, ok := fields["isBase64Encoded"]; ok {
		if err := json.Unmarshal(raw, &encoded); err != nil {
			return nil, fmt.Errorf("isBase64Encoded is not a boolean")
		}
	}
	out.Body = []byte(val(body))
	if val(encoded) && a.wantsBinary(accept) {
		if out.Body, err = base64.StdEncoding.DecodeString(val(body)); err != nil {
			return nil, fmt.Errorf("body is not base64")
		}
	}
	if out.Header.Get("Content-Type") == "" {
		out.Header.Set("Content-Type", "application/json")
	}
	return out, nil
}

func proxyStatus(raw json.RawMessage) (int, error) {
	s := strings.Trim(string(bytes.TrimSpace(raw)), `"`)
	if s == "" || s == "null" {
		return http.StatusOK, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 100 || n > 599 {
		return 0, fmt.Errorf("statusCode is %.20s", s)
	}
	return n, nil
}

// remapped are headers that functions cannot set: the client sees them under
// another name.
var remapped = map[string]bool{
	"Connection": true, "Content-Length": true, "Date": true, "Server": true, "Authorization": true, "Content-Md5": true, "Expect": true, "Host": true,
	"Max-Forwards": true, "Proxy-Authenticate": true, "Trailer": true, "Upgrade": true, "User-Agent": true, "Www-Authenticate": true,
}

// proxyHeaders merges both forms; values that both name are sent once.
func proxyHeaders(h http.Header, single, multi json.RawMessage) error {
	add := func(name string, v any) error {
		switch v.(type) {
		case string, bool, int64, float64:
		default:
			return fmt.Errorf("header %s is no scalar", name)
		}
		name = http.CanonicalHeaderKey(name)
		if name == "Transfer-Encoding" {
			return nil
		}
		if remapped[name] {
			name = "X-Amzn-Remapped-" + name
		}
		text := vtl.Text(v)
		for _, have := range h[name] {
			if have == text {
				return nil
			}
		}
		h.Add(name, text)
		return nil
	}
	m, err := headerMap(multi)
	if err != nil {
		return err
	}
	for _, name := range m.Keys() {
		list, ok := m.Get(name).(*vtl.List)
		if !ok {
			return fmt.Errorf("multiValueHeaders.%s is no list", name)
		}
		for _, v := range list.Items {
			if err := add(name, v); err != nil {
				return err
			}
		}
	}
	if m, err = headerMap(single); err != nil {
		return err
	}
	for _, name := range m.Keys() {
		if err := add(name, m.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

func headerMap(raw json.RawMessage) (*vtl.Map, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return vtl.NewMap(), nil
	}
	v, err := vtl.ParseJSON(raw)
	m, ok := v.(*vtl.Map)
	if err != nil || !ok {
		return nil, fmt.Errorf("headers are no object")
	}
	return m, nil
}
