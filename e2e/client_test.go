package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"moln.dev/moln/aws/sigv4"
)

// region is where the tests work.
const region = "us-east-1"

// requestTimeout bounds one request; a killed server answers at once with a
// reset, so only a hang takes this long.
const requestTimeout = 30 * time.Second

// connectionsMax is the most idle connections a client keeps: one for each of
// the writers, and some.
const connectionsMax = 128

// client signs requests to one moln.
type client struct {
	endpoint string
	creds    sigv4.Credentials
	http     *http.Client
}

func newClient(endpoint string) *client {
	return &client{
		endpoint: endpoint,
		creds:    sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"},
		http: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
			Proxy: nil, MaxIdleConnsPerHost: connectionsMax, DisableCompression: true,
		}},
	}
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// err is nil for an answer of success.
func (a answer) err() error {
	if a.status/100 == 2 {
		return nil
	}
	const shownMax = 400
	return fmt.Errorf("status %d: %s", a.status, a.body[:min(len(a.body), shownMax)])
}

// do sends one signed request and reads its answer. An error means that no
// whole answer came, so nothing is known about what the server did.
func (c *client) do(ctx context.Context, service, method, path string, header http.Header, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	sum := sha256.Sum256(body)
	sigv4.Sign(req, c.creds, region, service, hex.EncodeToString(sum[:]), time.Now())
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: text}, nil
}

// target calls an operation of an awsJson service.
func (c *client) target(ctx context.Context, service, target string, in, out any) (answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	version := "1.1"
	if service == "dynamodb" || service == "sqs" {
		version = "1.0"
	}
	a, err := c.do(ctx, service, http.MethodPost, "/", http.Header{
		"Content-Type": {"application/x-amz-json-" + version}, "X-Amz-Target": {target},
	}, body)
	if err == nil && out != nil && a.status == http.StatusOK {
		err = json.Unmarshal(a.body, out)
	}
	return a, err
}

// form calls an operation of an awsQuery service.
func (c *client) form(ctx context.Context, service, form string) (answer, error) {
	return c.do(ctx, service, http.MethodPost, "/", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
	}, []byte(form))
}

// operation is one row of /_moln/operations.
type operation struct{ Service, Operation, Level string }

// level says how much of an operation this moln has: "none", "partial", "full",
// or "" where it does not know the service.
func (c *client) level(service, name string) (string, error) {
	resp, err := c.http.Get(c.endpoint + "/_moln/operations")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var rows []operation
	if err := json.NewDecoder(resp.Body).Decode(&rows); err != nil {
		return "", err
	}
	for _, r := range rows {
		if r.Service == service && r.Operation == name {
			return r.Level, nil
		}
	}
	return "", nil
}

// succeeded fails the test for an answer that did not come, or is none of success.
func succeeded(t *testing.T) func(answer, error) {
	return func(a answer, err error) {
		t.Helper()
		if err == nil {
			err = a.err()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lambdaRole makes a role that functions may have, and that may do nothing.
func (c *client) lambdaRole(t *testing.T, name string) {
	t.Helper()
	const trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	succeeded(t)(c.form(t.Context(), "iam", url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {name}, "AssumeRolePolicyDocument": {trust}}.Encode()))
}
