package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/sigv4"
)

const (
	// noticeLimit is how soon a node must act on what another has changed.
	noticeLimit = time.Second
	// takeoverLimit is how soon a node must have finished what another left:
	// leases of 15 s, the wait for their end, and the work itself.
	takeoverLimit = 45 * time.Second
	pollPause     = 50 * time.Millisecond
	// largeBytes is more than one part of an upload to the blob store.
	largeBytes = 20 << 20
)

// cluster is two nodes on one PostgreSQL and one object store, which is a
// third moln.
type cluster struct {
	a, b *node
}

// node is a running moln with its data directory.
type node struct {
	*process
	*client
	dir string
}

// TestCluster: what is done through one node is there on the other, and is
// finished by it when the first dies.
func TestCluster(t *testing.T) {
	shared, env := clusterBackends(t)
	c := startCluster(t, shared, env)
	t.Run("clock", c.clockStands)
	t.Run("objects", c.objects)
	t.Run("items", c.items)
	t.Run("permissions", c.permissions)
	t.Run("api", c.restAPI)
	f := c.newFunction(t)
	t.Run("function", func(t *testing.T) { f.answers(t, c.b.client) })
	u := c.newUser(t)
	t.Run("user", func(t *testing.T) { u.isKnown(t, c.b.client) })
	role := c.newSession(t)
	t.Run("session", func(t *testing.T) { role.works(t, c.b.client) })
	if t.Failed() {
		return
	}
	c.takeover(t, f)
	t.Run("function after the kill", func(t *testing.T) { f.answers(t, c.b.client) })
	t.Run("user after the kill", func(t *testing.T) { u.isKnown(t, c.b.client) })
	t.Run("session after the kill", func(t *testing.T) { role.works(t, c.b.client) })
	t.Run("first node again", func(t *testing.T) {
		must(t)(c.b.do(t.Context(), "s3", http.MethodPut, "/cluster/while-away", nil, []byte("b")))
		c.a = serve(t, c.a.dir, env, shared, c.b.creds)
		c.a.holds(t, "/cluster/while-away", []byte("b"))
	})
}

// clusterBackends starts what the nodes share: flags and environment for them.
func clusterBackends(t *testing.T) (args, env []string) {
	t.Helper()
	dsn := postgres(t)
	objects := start(t, "--ephemeral")
	must(t)(newClient(objects.endpoint).do(t.Context(), "s3", http.MethodPut, "/blobs", nil, nil))
	return []string{"--store", dsn, "--blobs", "s3://blobs/moln?endpoint=" + objects.endpoint},
		[]string{"MOLN_BLOBS_ACCESS_KEY=test", "MOLN_BLOBS_SECRET_KEY=test"}
}

// serve starts a node; without creds it must make the root key.
func serve(t *testing.T, dir string, env, shared []string, creds sigv4.Credentials) *node {
	t.Helper()
	p := launch(t, env, append([]string{"serve", "--data-dir", dir}, shared...))
	p.awaitStart(t)
	if (p.access == "") != (creds.AccessKeyID != "") {
		t.Fatalf("the node made a root key: %v; it was to find one: %v", p.access != "", creds.AccessKeyID != "")
	}
	if p.access != "" {
		creds = sigv4.Credentials{AccessKeyID: p.access, SecretAccessKey: p.secret}
	}
	n := &node{process: p, client: newClient(p.endpoint), dir: dir}
	n.creds = creds
	return n
}

// startCluster starts two nodes, and tries what must not join them.
func startCluster(t *testing.T, shared, env []string) *cluster {
	t.Helper()
	c := &cluster{}
	c.a = serve(t, t.TempDir(), env, shared, sigv4.Credentials{})
	key := filepath.Join(c.a.dir, "seal.key")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "--seal-key-file", env, append([]string{"serve", "--data-dir", t.TempDir()}, shared...))
	local := []string{"serve", "--data-dir", t.TempDir(), "--seal-key-file", key, shared[0], shared[1]}
	refused(t, "--blobs", nil, local)

	c.b = serve(t, t.TempDir(), append(env, "MOLN_SEAL_KEY="+string(text)), shared, c.a.creds)
	for _, name := range []string{"ca.pem", "ca-key.pem"} {
		one, _ := os.ReadFile(filepath.Join(c.a.dir, name))
		two, _ := os.ReadFile(filepath.Join(c.b.dir, name))
		if len(one) == 0 || !bytes.Equal(one, two) {
			t.Errorf("%s differs between the nodes", name)
		}
	}
	return c
}

// refused wants moln not to start, and to say why.
func refused(t *testing.T, says string, env, args []string) {
	t.Helper()
	p := launch(t, env, args)
	select {
	case <-p.exited:
		if p.err == nil || !strings.Contains(p.stderr.String(), says) {
			t.Errorf("a node that must not join ended with %v and %q, which does not say %q", p.err, p.stderr, says)
		}
	case <-p.ready:
		t.Errorf("a node started that lacks what %s gives", says)
	case <-time.After(startTimeout):
		t.Errorf("a node neither started nor ended")
	}
}

// must is for answers that are to be successes.
func must(t *testing.T) func(answer, error) answer {
	return func(a answer, err error) answer {
		t.Helper()
		if err == nil {
			err = a.err()
		}
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

// within waits until try succeeds.
func within(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		// An attempt counts by when it began: what it saw is not newer.
		late := time.Now().After(end)
		err := try()
		if err == nil {
			return
		}
		if late {
			t.Fatalf("%s: not after %v: %v", what, limit, err)
		}
		time.Sleep(pollPause)
	}
}

func (c *client) holds(t *testing.T, path string, want []byte) {
	t.Helper()
	a := must(t)(c.do(t.Context(), "s3", http.MethodGet, path, nil, nil))
	if !bytes.Equal(a.body, want) {
		t.Errorf("%s holds %d bytes, which are not the %d that were put", path, len(a.body), len(want))
	}
}

// with is the same client with another key.
func (c *client) with(creds sigv4.Credentials) *client {
	other := *c
	other.creds = creds
	return &other
}

// clockStands: leases are times of the account's clock.
func (c *cluster) clockStands(t *testing.T) {
	token, err := os.ReadFile(filepath.Join(c.a.dir, "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, c.a.client.endpoint+"/_moln/clock?advance=1h", nil)
	req.Header.Set("Authorization", "Bearer "+string(token))
	resp, err := c.a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusConflict {
		t.Errorf("moving the clock of a shared store was answered with %s", resp.Status)
	}
}

func (c *cluster) objects(t *testing.T) {
	ctx := t.Context()
	small, large := []byte("small"), bytes.Repeat([]byte("0123456789abcdef"), largeBytes/16)
	must(t)(c.a.do(ctx, "s3", http.MethodPut, "/cluster", nil, nil))
	must(t)(c.a.do(ctx, "s3", http.MethodPut, "/cluster/small", nil, small))
	must(t)(c.a.do(ctx, "s3", http.MethodPut, "/cluster/large", nil, large))
	c.b.holds(t, "/cluster/small", small)
	c.b.holds(t, "/cluster/large", large)
	must(t)(c.b.do(ctx, "s3", http.MethodPut, "/cluster/large", nil, large[:largeBytes/2]))
	c.a.holds(t, "/cluster/large", large[:largeBytes/2])
	must(t)(c.b.do(ctx, "s3", http.MethodDelete, "/cluster/small", nil, nil))
	a, err := c.a.do(ctx, "s3", http.MethodGet, "/cluster/small", nil, nil)
	if err != nil || a.status != http.StatusNotFound {
		t.Errorf("an object deleted through the other node: %d, %v", a.status, err)
	}
}

const tableInput = `{"TableName":"cluster","BillingMode":"PAY_PER_REQUEST",
	"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],"KeySchema":[{"AttributeName":"k","KeyType":"HASH"}]}`

func (c *cluster) items(t *testing.T) {
	ctx := t.Context()
	call := func(n *node, operation, in string, out any) {
		t.Helper()
		must(t)(n.target(ctx, "dynamodb", "DynamoDB_20120810."+operation, rawJSON(in), out))
	}
	call(c.a, "CreateTable", tableInput, nil)
	for n := range 10 { // both nodes count on one item
		call([]*node{c.a, c.b}[n%2], "UpdateItem", `{"TableName":"cluster","Key":{"k":{"S":"count"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}`, nil)
		var got struct {
			Item struct{ N struct{ N string } }
		}
		call([]*node{c.b, c.a}[n%2], "GetItem", `{"TableName":"cluster","Key":{"k":{"S":"count"}},"ConsistentRead":true}`, &got)
		if want := fmt.Sprint(n + 1); got.Item.N.N != want {
			t.Fatalf("the other node counts %q, want %s", got.Item.N.N, want)
		}
	}
}

// permissions: a node must see what the other grants and takes away.
func (c *cluster) permissions(t *testing.T) {
	iam := func(form string) answer {
		t.Helper()
		return must(t)(c.a.form(t.Context(), "iam", form+"&Version=2010-05-08"))
	}
	iam("Action=CreateUser&UserName=ada")
	made := string(iam("Action=CreateAccessKey&UserName=ada").body)
	id := element(made, "AccessKeyId")
	ada := c.b.with(sigv4.Credentials{AccessKeyID: id, SecretAccessKey: element(made, "SecretAccessKey")})
	status := func(want int) func() error {
		return func() error {
			a, err := ada.target(t.Context(), "dynamodb", "DynamoDB_20120810.DescribeTable", rawJSON(`{"TableName":"cluster"}`), nil)
			if err == nil && a.status != want {
				err = fmt.Errorf("status %d, want %d: %s", a.status, want, a.body)
			}
			return err
		}
	}
	denied := status(http.StatusBadRequest)
	within(t, 0, "no policy", denied)
	document := url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}]}`)
	for range 3 {
		iam("Action=PutUserPolicy&UserName=ada&PolicyName=p&PolicyDocument=" + document)
		within(t, noticeLimit, "a policy that was put", status(http.StatusOK))
		iam("Action=DeleteUserPolicy&UserName=ada&PolicyName=p")
		within(t, noticeLimit, "a policy that was deleted", denied)
	}
	iam("Action=PutUserPolicy&UserName=ada&PolicyName=p&PolicyDocument=" + document)
	within(t, noticeLimit, "a policy that was put", status(http.StatusOK))
	iam("Action=UpdateAccessKey&UserName=ada&Status=Inactive&AccessKeyId=" + id)
	within(t, noticeLimit, "a key that was made inactive", denied)
}

const apiTemplate = `{"Resources":{
	"Api":{"Type":"AWS::ApiGateway::RestApi","Properties":{"Name":"cluster"}},
	"Get":{"Type":"AWS::ApiGateway::Method","Properties":{"RestApiId":{"Ref":"Api"},"ResourceId":{"Fn::GetAtt":["Api","RootResourceId"]},
		"HttpMethod":"GET","AuthorizationType":"NONE","MethodResponses":[{"StatusCode":"200"}],
		"Integration":{"Type":"MOCK","RequestTemplates":{"application/json":"{\"statusCode\":200}"},
			"IntegrationResponses":[{"StatusCode":"200","ResponseTemplates":{"application/json":"one"}}]}}},
	"Deployment":{"Type":"AWS::ApiGateway::Deployment","DependsOn":"Get","Properties":{"RestApiId":{"Ref":"Api"},"StageName":"prod"}}},
	"Outputs":{"Api":{"Value":{"Ref":"Api"}},"Root":{"Value":{"Fn::GetAtt":["Api","RootResourceId"]}}}}`

// restAPI: a stage that one node deploys is what the other serves.
func (c *cluster) restAPI(t *testing.T) {
	ctx := t.Context()
	c.a.createStack(t, "api", apiTemplate)
	var described string
	within(t, takeoverLimit, "stack api", func() (err error) {
		described, err = c.b.stackStatus(ctx, "api", "CREATE_COMPLETE")
		return err
	})
	id, root := output(described, "Api"), output(described, "Root")
	serves := func(status int, body string) func() error {
		return func() error {
			a, err := c.b.do(ctx, "execute-api", http.MethodGet, "/restapis/"+id+"/prod/_user_request_/", nil, nil)
			if err == nil && (a.status != status || body != "" && string(a.body) != body) {
				err = fmt.Errorf("%d %q, want %d %q", a.status, a.body, status, body)
			}
			return err
		}
	}
	within(t, noticeLimit, "a new stage", serves(http.StatusOK, "one"))
	asJSON := http.Header{"Content-Type": {"application/json"}}
	must(t)(c.a.do(ctx, "apigateway", http.MethodPatch, "/restapis/"+id+"/resources/"+root+"/methods/GET/integration/responses/200", asJSON,
		[]byte(`{"patchOperations":[{"op":"replace","path":"/responseTemplates/application~1json","value":"two"}]}`)))
	within(t, 0, "a change that is not deployed", serves(http.StatusOK, "one"))
	must(t)(c.a.do(ctx, "apigateway", http.MethodPost, "/restapis/"+id+"/deployments", asJSON, []byte(`{"stageName":"prod"}`)))
	within(t, noticeLimit, "a new deployment", serves(http.StatusOK, "two"))
	must(t)(c.a.do(ctx, "apigateway", http.MethodDelete, "/restapis/"+id+"/stages/prod", nil, nil))
	within(t, noticeLimit, "a deleted stage", serves(http.StatusForbidden, ""))
}

func (c *client) createStack(t *testing.T, name, template string) {
	t.Helper()
	must(t)(c.form(t.Context(), "cloudformation", "Action=CreateStack&Version=2010-05-15&StackName="+name+
		"&Capabilities.member.1=CAPABILITY_IAM&TemplateBody="+url.QueryEscape(template)))
}

// stackStatus gives a stack's description, and an error unless it has that
// status.
func (c *client) stackStatus(ctx context.Context, name, want string) (string, error) {
	a, err := c.form(ctx, "cloudformation", "Action=DescribeStacks&Version=2010-05-15&StackName="+name)
	if err == nil {
		err = a.err()
	}
	if got := element(string(a.body), "StackStatus"); err == nil && got != want {
		err = fmt.Errorf("it is %s: %s", got, c.stackFailure(ctx, name))
	}
	return string(a.body), err
}

// stackFailure says why a stack's resource was not made.
func (c *client) stackFailure(ctx context.Context, name string) string {
	a, _ := c.form(ctx, "cloudformation", "Action=DescribeStackEvents&Version=2010-05-15&StackName="+name)
	for part := range strings.SplitSeq(string(a.body), "<member>") {
		if element(part, "ResourceStatus") == "CREATE_FAILED" {
			return element(part, "LogicalResourceId") + ": " + element(part, "ResourceStatusReason")
		}
	}
	return "nothing failed"
}

// output gives an output of a stack's description.
func output(described, key string) string {
	for part := range strings.SplitSeq(described, "<member>") {
		if element(part, "OutputKey") == key {
			return element(part, "OutputValue")
		}
	}
	return ""
}
