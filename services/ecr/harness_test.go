package ecr

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/memblob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/gateway"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const (
	account = "000000000000"
	region  = "us-east-1"
)

// world is the service behind a real gateway that listens.
type world struct {
	t        *testing.T
	s        *Service
	g        *gateway.Gateway
	clk      *clock.Fake
	policies map[string]string // by user
	url      string
}

// Credential implements identity.Directory: nobody signs here.
func (w *world) Credential(context.Context, string, string) (identity.Credential, error) {
	return identity.Credential{}, identity.ErrUnknownKey
}

// Policies implements identity.Directory.
func (w *world) Policies(_ context.Context, who identity.Principal) (identity.Policies, error) {
	doc := w.policies[who.UserName]
	if doc == "" {
		return identity.Policies{}, nil
	}
	p, err := policy.Parse([]byte(doc), policy.Identity)
	return identity.Policies{Identity: []*policy.Policy{p}}, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clk: clock.NewFake(time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)), policies: map[string]string{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.g.ServeHTTP(rw, r) }))
	w.url = "http://" + server.Listener.Addr().String()
	sealer, err := seal.New(make([]byte, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	ids := ident.NewSeeded(1, w.clk)
	log := slog.New(slog.DiscardHandler)
	w.s = New(service.Deps{
		KV: kv.New(memkv.New()), Blobs: blob.New(memblob.New(), ids), Clock: w.clk, Ident: ids, Seal: sealer, Log: log,
		Site: service.Site{Endpoint: w.url},
	})
	trail, err := audit.New("")
	if err != nil {
		t.Fatal(err)
	}
	w.g, err = gateway.New(gateway.Config{
		Services: []service.Definition{w.s.Definition()}, Directory: w, Clock: w.clk, Ident: ids, Log: log,
		Metrics: observe.NewRegistry(), Audit: trail, Account: account, Suffixes: []string{"localhost"},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return w
}

// root is a call by the account's root, user one by a user who may do what doc
// says.
func (w *world) root() *service.Call {
	root := identity.Principal{Principal: policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + account + ":root", AccountID: account}}
	return service.NewCall(w.g, service.Call{Caller: root, Account: account, Region: region, Now: w.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

func (w *world) user(name, doc string) *service.Call {
	w.policies[name] = doc
	return w.root().As(identity.Principal{UserName: name, Principal: policy.Principal{Kind: policy.User, ARN: "arn:aws:iam::" + account + ":user/" + name, AccountID: account, UserID: "AIDA" + name}})
}

func do[In, Out any](c *service.Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(context.Background(), c, op, in)
}

func must[In, Out any](t testing.TB, c *service.Call, op smithy.Op[In, Out], in *In) *Out {
	t.Helper()
	out, err := do(c, op, in)
	if err != nil {
		_, o := op.Of()
		t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

// fails wants a fault; message may be empty to compare the code only.
func fails[In, Out any](t testing.TB, c *service.Call, op smithy.Op[In, Out], in *In, code, message string) {
	t.Helper()
	_, err := do(c, op, in)
	if f := fault.As(err); f == nil || f.Code != code || (message != "" && f.Message != message) {
		_, o := op.Of()
		t.Errorf("%s: got %v\nwant %s: %s", o.Name, err, code, message)
	}
}

// repository makes one.
func (w *world) repository(name string) {
	w.t.Helper()
	must(w.t, w.root(), api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: &name})
}

// client speaks to the registry as a container tool does.
type client struct {
	w     *world
	token string
}

func (w *world) client(c *service.Call) client {
	w.t.Helper()
	out := must(w.t, c, api.GetAuthorizationToken, &api.GetAuthorizationTokenInput{})
	return client{w, *out.AuthorizationData[0].AuthorizationToken}
}

// answer is what the registry said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (c client) do(method, path, body string, header ...string) answer {
	c.w.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = c.w.url + path
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		c.w.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Basic "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(raw)}
}

// want makes a request that must be answered with the status, and with text in
// the body.
func (c client) want(status int, text, method, path, body string, header ...string) answer {
	c.w.t.Helper()
	got := c.do(method, path, body, header...)
	if got.status != status || !strings.Contains(got.body, text) {
		c.w.t.Errorf("%s %s: %d %s, want %d %s", method, path, got.status, got.body, status, text)
	}
	return got
}

// layer uploads content in one request.
func (c client) layer(repository, content string) string {
	c.w.t.Helper()
	digest := digestOf([]byte(content))
	at := c.want(202, "", "POST", "/v2/"+repository+"/blobs/uploads/", "").header.Get("Location")
	c.want(201, "", "PUT", at+"?digest="+digest, content)
	return digest
}

// image pushes an image of one layer and returns its manifest and digest.
func (c client) image(repository, ref, content string) (manifest, digest string) {
	c.w.t.Helper()
	config := c.layer(repository, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`+content)
	layer := c.layer(repository, content)
	var b bytes.Buffer
	b.WriteString(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + config + `","size":1},`)
	b.WriteString(`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"` + layer + `","size":5}]}`)
	manifest = b.String()
	digest = digestOf(b.Bytes())
	if ref == "" {
		ref = digest
	}
	c.want(201, "", "PUT", "/v2/"+repository+"/manifests/"+ref, manifest, "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	return manifest, digest
}
