package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// kind is one way to write something durable.
type kind struct {
	name string
	// service and operation are the ones that must be there, by the names of
	// /_moln/operations.
	service, operation string
	// overwrites says that a second write to a name replaces the first.
	overwrites bool
	prepare    func(context.Context, *client) error
	// write writes version number of name. An error means that no answer came.
	write func(ctx context.Context, c *client, name string, number int) (answer, error)
	// check says whether name is there with the content of one of the allowed
	// numbers; errAbsent, wrapped, where it is not there at all.
	check func(ctx context.Context, c *client, name string, allowed []int) error
}

// kinds are all of them. A pool's id is made by its service, so it is kept
// between prepare and write.
func kinds() []*kind {
	var pool string
	bucket := sync.OnceValue(func() string { return fmt.Sprintf("kill-%d", time.Now().UnixNano()) })
	return []*kind{
		{name: "item", service: "dynamodb", operation: "PutItem", overwrites: true, prepare: makeTable, write: putItem, check: checkItem},
		object("small object", bucket, smallObjectBytes),
		object("large object", bucket, largeObjectBytes),
		{
			name: "user", service: "cognitoidp", operation: "AdminCreateUser",
			prepare: func(ctx context.Context, c *client) (err error) {
				pool, err = makePool(ctx, c)
				return err
			},
			write: func(ctx context.Context, c *client, name string, number int) (answer, error) {
				return createUser(ctx, c, pool, name, number)
			},
			check: func(ctx context.Context, c *client, name string, allowed []int) error {
				return checkUser(ctx, c, pool, name, allowed)
			},
		},
		{name: "log event", service: "logs", operation: "PutLogEvents", prepare: makeLogGroup, write: putEvent, check: checkEvent},
		messages("message", ""),
		messages("message of a group", ".fifo"),
	}
}

// present are the kinds that this moln has. One that is absent is reported; a
// moln that has none of them fails.
func present(t *testing.T, c *client) []*kind {
	t.Helper()
	var out []*kind
	for _, k := range kinds() {
		level, err := c.level(k.service, k.operation)
		if err != nil {
			t.Fatal(err)
		}
		if level == "" || level == "none" {
			t.Logf("absent, so not tested: %s (%s)", k.name, k.service)
			continue
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		t.Fatal("this moln has no service that writes anything")
	}
	return out
}

// content is what version number of name consists of: size bytes that no other
// name and no other number has.
func content(name string, number, size int) []byte {
	line := fmt.Sprintf("%s %d\n", name, number)
	return bytes.Repeat([]byte(line), size/len(line)+1)[:size]
}

// matches says whether got is the content of an allowed number.
func matches(got []byte, name string, allowed []int, size int) error {
	if slices.ContainsFunc(allowed, func(n int) bool { return bytes.Equal(got, content(name, n, size)) }) {
		return nil
	}
	const shownMax = 60
	return fmt.Errorf("wrong content: %d bytes, %q…, want version %v of %d bytes", len(got), got[:min(len(got), shownMax)], allowed, size)
}

// settle asks again until done says yes.
func settle(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
	}
}

// DynamoDB.

const (
	killTable = "kill"
	itemBytes = 300
)

type attribute struct {
	S string `json:",omitempty"`
	B []byte `json:",omitempty"`
}

func makeTable(ctx context.Context, c *client) error {
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.CreateTable", map[string]any{
		"TableName": killTable, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []map[string]string{{"AttributeName": "id", "AttributeType": "S"}},
		"KeySchema":            []map[string]string{{"AttributeName": "id", "KeyType": "HASH"}},
	}, nil)
	if err == nil {
		err = a.err()
	}
	if err != nil && !strings.Contains(err.Error(), "ResourceInUse") {
		return err
	}
	return settle(ctx, func() (bool, error) {
		var out struct{ Table struct{ TableStatus string } }
		a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.DescribeTable", map[string]string{"TableName": killTable}, &out)
		if err == nil {
			err = a.err()
		}
		return out.Table.TableStatus == "ACTIVE", err
	})
}

func putItem(ctx context.Context, c *client, name string, number int) (answer, error) {
	return c.target(ctx, "dynamodb", "DynamoDB_20120810.PutItem", map[string]any{
		"TableName": killTable,
		"Item":      map[string]attribute{"id": {S: name}, "body": {B: content(name, number, itemBytes)}},
	}, nil)
}

func checkItem(ctx context.Context, c *client, name string, allowed []int) error {
	var out struct{ Item map[string]attribute }
	a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.GetItem", map[string]any{
		"TableName": killTable, "ConsistentRead": true, "Key": map[string]attribute{"id": {S: name}},
	}, &out)
	if err == nil {
		err = a.err()
	}
	if err != nil {
		return err
	}
	if out.Item == nil {
		return errAbsent
	}
	return matches(out.Item["body"].B, name, allowed, itemBytes)
}

// S3.

const (
	smallObjectBytes = 700
	largeObjectBytes = 100_000
)

func object(name string, bucket func() string, size int) *kind {
	path := func(key string) string { return fmt.Sprintf("/%s/%d/%s", bucket(), size, key) }
	return &kind{
		name: name, service: "s3", operation: "PutObject", overwrites: true,
		prepare: func(ctx context.Context, c *client) error {
			a, err := c.do(ctx, "s3", http.MethodPut, "/"+bucket(), nil, nil)
			if err == nil {
				err = a.err()
			}
			return err
		},
		write: func(ctx context.Context, c *client, key string, number int) (answer, error) {
			return c.do(ctx, "s3", http.MethodPut, path(key), nil, content(key, number, size))
		},
		check: func(ctx context.Context, c *client, key string, allowed []int) error {
			a, err := c.do(ctx, "s3", http.MethodGet, path(key), nil, nil)
			if err != nil {
				return err
			}
			if a.status == http.StatusNotFound {
				return errAbsent
			}
			if err := a.err(); err != nil {
				return err
			}
			return matches(a.body, key, allowed, size)
		},
	}
}

// Cognito.

const userAttributeBytes = 200

func makePool(ctx context.Context, c *client) (string, error) {
	var out struct{ UserPool struct{ Id string } }
	a, err := c.target(ctx, "cognito-idp", "AWSCognitoIdentityProviderService.CreateUserPool", map[string]string{"PoolName": "kill"}, &out)
	if err == nil {
		err = a.err()
	}
	return out.UserPool.Id, err
}

type userAttribute struct{ Name, Value string }

func createUser(ctx context.Context, c *client, pool, name string, number int) (answer, error) {
	return c.target(ctx, "cognito-idp", "AWSCognitoIdentityProviderService.AdminCreateUser", map[string]any{
		"UserPoolId": pool, "Username": name, "MessageAction": "SUPPRESS",
		"UserAttributes": []userAttribute{{"profile", string(content(name, number, userAttributeBytes))}},
	}, nil)
}

func checkUser(ctx context.Context, c *client, pool, name string, allowed []int) error {
	var out struct{ UserAttributes []userAttribute }
	a, err := c.target(ctx, "cognito-idp", "AWSCognitoIdentityProviderService.AdminGetUser", map[string]string{"UserPoolId": pool, "Username": name}, &out)
	if err != nil {
		return err
	}
	if strings.Contains(string(a.body), "UserNotFoundException") {
		return errAbsent
	}
	if err := a.err(); err != nil {
		return err
	}
	for _, attr := range out.UserAttributes {
		if attr.Name == "profile" {
			return matches([]byte(attr.Value), name, allowed, userAttributeBytes)
		}
	}
	return fmt.Errorf("the user has no profile attribute: %s", a.body)
}

// CloudWatch Logs. A write is a stream with one event.

const (
	killLogGroup = "/kill"
	eventBytes   = 300
)

func logs(ctx context.Context, c *client, operation string, in, out any) (answer, error) {
	return c.target(ctx, "logs", "Logs_20140328."+operation, in, out)
}

func makeLogGroup(ctx context.Context, c *client) error {
	a, err := logs(ctx, c, "CreateLogGroup", map[string]string{"logGroupName": killLogGroup}, nil)
	if err == nil {
		err = a.err()
	}
	return err
}

func putEvent(ctx context.Context, c *client, name string, number int) (answer, error) {
	stream := map[string]any{"logGroupName": killLogGroup, "logStreamName": name}
	if a, err := logs(ctx, c, "CreateLogStream", stream, nil); err != nil || a.err() != nil {
		return a, err
	}
	stream["logEvents"] = []map[string]any{{"timestamp": time.Now().UnixMilli(), "message": string(content(name, number, eventBytes))}}
	return logs(ctx, c, "PutLogEvents", stream, nil)
}

func checkEvent(ctx context.Context, c *client, name string, allowed []int) error {
	var out struct{ Events []struct{ Message string } }
	a, err := logs(ctx, c, "GetLogEvents", map[string]any{"logGroupName": killLogGroup, "logStreamName": name, "startFromHead": true}, &out)
	if err != nil {
		return err
	}
	var fault struct {
		Type string `json:"__type"`
	}
	if a.status == http.StatusBadRequest && json.Unmarshal(a.body, &fault) == nil && fault.Type == "ResourceNotFoundException" {
		return errAbsent
	}
	if err := a.err(); err != nil {
		return err
	}
	if len(out.Events) == 0 {
		return errAbsent
	}
	return matches([]byte(out.Events[0].Message), name, allowed, eventBytes)
}
