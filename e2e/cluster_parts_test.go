package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/sigv4"
)

const (
	// eventsCount is how many asynchronous events, and stacksCount how many
	// stacks, are under way when a node dies.
	eventsCount = 6
	stacksCount = 3
	// eventSeconds is how long each event takes: longer than it takes to see
	// that all have begun.
	eventSeconds = 4
	// stackLinks is how many resources of a stack wait for each other.
	stackLinks = 60
	// activeLimit is how soon a function must be usable.
	activeLimit = 20 * time.Second
)

const functionCode = `
import time
def handler(event, context):
    print("began", event["n"])
    time.sleep(event.get("seconds", 0))
    print("ended", event["n"])
    return event["n"]
`

const lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com","AWS":"*"}}]}`

// function is one that was made through the first node.
type function struct{ next int }

func (c *cluster) newFunction(t *testing.T) *function {
	t.Helper()
	ctx := t.Context()
	iam := func(form string) { t.Helper(); must(t)(c.a.form(ctx, "iam", form+"&Version=2010-05-08")) }
	iam("Action=CreateRole&RoleName=cluster&AssumeRolePolicyDocument=" + url.QueryEscape(lambdaTrust))
	iam("Action=PutRolePolicy&RoleName=cluster&PolicyName=p&PolicyDocument=" +
		url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}`))
	body, _ := json.Marshal(map[string]any{
		"FunctionName": "cluster", "Runtime": "python3.11", "Handler": "main.handler", "Timeout": 30,
		"Role": "arn:aws:iam::000000000000:role/cluster", "Code": map[string]any{"ZipFile": zipped(t, "main.py", functionCode)},
	})
	must(t)(c.a.do(ctx, "lambda", http.MethodPost, "/2015-03-31/functions", http.Header{"Content-Type": {"application/json"}}, body))
	within(t, activeLimit, "a function's state", func() error {
		a, err := c.a.do(ctx, "lambda", http.MethodGet, "/2015-03-31/functions/cluster/configuration", nil, nil)
		if err == nil && !strings.Contains(string(a.body), `"State":"Active"`) {
			err = fmt.Errorf("it is not active: %s", a.body)
		}
		return err
	})
	return &function{}
}

func (f *function) invoke(t *testing.T, c *client, kind string, seconds int) (n int, a answer) {
	t.Helper()
	f.next++
	a = must(t)(c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions/cluster/invocations",
		http.Header{"X-Amz-Invocation-Type": {kind}}, fmt.Appendf(nil, `{"n":%d,"seconds":%d}`, f.next, seconds)))
	return f.next, a
}

func (f *function) answers(t *testing.T, c *client) {
	t.Helper()
	n, a := f.invoke(t, c, "RequestResponse", 0)
	if string(a.body) != fmt.Sprint(n) {
		t.Errorf("the function answered %s, want %d", a.body, n)
	}
}

// lines counts, by text, the lines that the function wrote.
func (f *function) lines(ctx context.Context, c *client) (map[string]int, error) {
	var out struct{ Events []struct{ Message string } }
	a, err := c.target(ctx, "logs", "Logs_20140328.FilterLogEvents", rawJSON(`{"logGroupName":"/aws/lambda/cluster"}`), &out)
	if err == nil {
		err = a.err()
	}
	counts := map[string]int{}
	for _, e := range out.Events {
		counts[strings.TrimSpace(e.Message)]++
	}
	return counts, err
}

// wrote is an error unless all events wrote the word.
func (f *function) wrote(ctx context.Context, c *client, word string, events []int) error {
	lines, err := f.lines(ctx, c)
	for _, n := range events {
		if err == nil && lines[fmt.Sprintf("%s %d", word, n)] == 0 {
			err = fmt.Errorf("event %d has not %s", n, word)
		}
	}
	return err
}

// takeover kills the first node while it works, and waits for the other to
// finish what it left.
func (c *cluster) takeover(t *testing.T, f *function) {
	t.Helper()
	ctx := t.Context()
	var events []int
	for range eventsCount {
		n, _ := f.invoke(t, c.a.client, "Event", eventSeconds)
		events = append(events, n)
	}
	within(t, activeLimit, "the events' beginning", func() error { return f.wrote(ctx, c.b.client, "began", events) })
	if f.wrote(ctx, c.b.client, "ended", events) == nil {
		t.Fatal("all events ended before the node was killed: nothing is left to take over")
	}
	var stacks []string
	for i := range stacksCount {
		name := fmt.Sprintf("chain-%d", i)
		c.a.createStack(t, name, chainTemplate())
		stacks = append(stacks, name)
	}
	c.a.kill()
	began, left := time.Now(), 0
	for _, name := range stacks {
		if _, err := c.b.stackStatus(ctx, name, "CREATE_IN_PROGRESS"); err == nil {
			left++
		}
	}
	if left == 0 {
		t.Error("no stack was under way when the node was killed")
	}
	for _, name := range stacks {
		within(t, takeoverLimit, "stack "+name, func() error {
			_, err := c.b.stackStatus(ctx, name, "CREATE_COMPLETE")
			return err
		})
	}
	t.Logf("%d stacks were under way, and complete after %v", left, time.Since(began).Round(time.Millisecond))
	within(t, takeoverLimit, "the events' end", func() error { return f.wrote(ctx, c.b.client, "ended", events) })
	lines, err := f.lines(ctx, c.b.client)
	if err != nil {
		t.Fatal(err)
	}
	again := 0
	for _, n := range events {
		if lines[fmt.Sprintf("began %d", n)] > 1 {
			again++
		}
	}
	if again == 0 { // nodes take events as they please
		t.Log("the killed node ran no event: this run says nothing about theirs")
	}
	t.Logf("%d of %d events were run again, and all had ended after %v", again, len(events), time.Since(began).Round(time.Millisecond))
}

// chainTemplate is a stack whose resources are made one after the other.
func chainTemplate() string {
	resources := map[string]any{}
	for i := range stackLinks {
		r := map[string]any{"Type": "AWS::Logs::LogGroup"}
		if i > 0 {
			r["DependsOn"] = fmt.Sprintf("L%d", i-1)
		}
		resources[fmt.Sprintf("L%d", i)] = r
	}
	text, _ := json.Marshal(map[string]any{"Resources": resources})
	return string(text)
}

// user is one of a user pool, signed in through the first node.
type user struct{ pool, access string }

func (c *cluster) newUser(t *testing.T) *user {
	t.Helper()
	call := func(operation string, in map[string]any, out any) {
		t.Helper()
		must(t)(c.a.target(t.Context(), "cognito-idp", "AWSCognitoIdentityProviderService."+operation, in, out))
	}
	var pool struct{ UserPool struct{ ID string } }
	call("CreateUserPool", map[string]any{"PoolName": "cluster"}, &pool)
	id := pool.UserPool.ID
	var app struct{ UserPoolClient struct{ ClientID string } }
	call("CreateUserPoolClient", map[string]any{"UserPoolId": id, "ClientName": "c", "ExplicitAuthFlows": []string{"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}}, &app)
	call("AdminCreateUser", map[string]any{"UserPoolId": id, "Username": "ada", "MessageAction": "SUPPRESS"}, nil)
	call("AdminSetUserPassword", map[string]any{"UserPoolId": id, "Username": "ada", "Password": "Passw0rd!long", "Permanent": true}, nil)
	var signedIn struct{ AuthenticationResult struct{ AccessToken string } }
	call("AdminInitiateAuth", map[string]any{
		"UserPoolId": id, "ClientId": app.UserPoolClient.ClientID, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
		"AuthParameters": map[string]string{"USERNAME": "ada", "PASSWORD": "Passw0rd!long"},
	}, &signedIn)
	return &user{id, signedIn.AuthenticationResult.AccessToken}
}

func (u *user) isKnown(t *testing.T, c *client) {
	t.Helper()
	for operation, in := range map[string]map[string]any{
		"GetUser":      {"AccessToken": u.access},
		"AdminGetUser": {"UserPoolId": u.pool, "Username": "ada"},
	} {
		var out struct{ Username string }
		must(t)(c.target(t.Context(), "cognito-idp", "AWSCognitoIdentityProviderService."+operation, in, &out))
		if out.Username != "ada" {
			t.Errorf("%s: %q", operation, out.Username)
		}
	}
}

// session is temporary keys that the first node issued.
type session struct{ creds sigv4.Credentials }

func (c *cluster) newSession(t *testing.T) *session {
	t.Helper()
	made := string(must(t)(c.a.form(t.Context(), "iam", "Action=CreateUser&UserName=eve&Version=2010-05-08")).body)
	if made == "" {
		t.Fatal("no user")
	}
	must(t)(c.a.form(t.Context(), "iam", "Action=PutUserPolicy&UserName=eve&PolicyName=p&Version=2010-05-08&PolicyDocument="+
		url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)))
	made = string(must(t)(c.a.form(t.Context(), "iam", "Action=CreateAccessKey&UserName=eve&Version=2010-05-08")).body)
	eve := c.a.with(sigv4.Credentials{AccessKeyID: element(made, "AccessKeyId"), SecretAccessKey: element(made, "SecretAccessKey")})
	got := string(must(t)(eve.form(t.Context(), "sts", "Action=AssumeRole&Version=2011-06-15&RoleSessionName=session&RoleArn="+
		url.QueryEscape("arn:aws:iam::000000000000:role/cluster"))).body)
	return &session{sigv4.Credentials{
		AccessKeyID: element(got, "AccessKeyId"), SecretAccessKey: element(got, "SecretAccessKey"), SessionToken: element(got, "SessionToken"),
	}}
}

func (s *session) works(t *testing.T, c *client) {
	t.Helper()
	a := must(t)(c.with(s.creds).form(t.Context(), "sts", "Action=GetCallerIdentity&Version=2011-06-15"))
	if arn := element(string(a.body), "Arn"); arn != "arn:aws:sts::000000000000:assumed-role/cluster/session" {
		t.Errorf("the session is %s", arn)
	}
	must(t)(c.with(s.creds).target(t.Context(), "logs", "Logs_20140328.DescribeLogGroups", rawJSON(`{}`), nil))
}
