package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// mappingWriters put items while the process dies mappingDeaths times.
	mappingWriters = 8
	mappingDeaths  = 3
	mappingSource  = "ordered"
	// mappingWait is how long the function may take to have seen everything.
	mappingWait = 60 * time.Second
)

// tableCalls lets a function of no dependencies call DynamoDB.
const tableCalls = `
const crypto = require("crypto");
const h = (k, s) => crypto.createHmac("sha256", k).update(s).digest();
const hex = (s) => crypto.createHash("sha256").update(s).digest("hex");
async function call(target, input) {
  const url = new URL(process.env.AWS_ENDPOINT_URL), body = JSON.stringify(input);
  const at = new Date().toISOString().replace(/[-:]|\.\d+/g, ""), day = at.slice(0, 8);
  const headers = {"content-type": "application/x-amz-json-1.0", "host": url.host, "x-amz-date": at,
    "x-amz-security-token": process.env.AWS_SESSION_TOKEN, "x-amz-target": "DynamoDB_20120810." + target};
  const names = Object.keys(headers).join(";"), scope = day + "/" + process.env.AWS_REGION + "/dynamodb/aws4_request";
  const canonical = ["POST", "/", "", ...Object.entries(headers).map(([k, v]) => k + ":" + v), "", names, hex(body)].join("\n");
  const key = ["dynamodb", "aws4_request"].reduce(h, h(h("AWS4" + process.env.AWS_SECRET_ACCESS_KEY, day), process.env.AWS_REGION));
  const signature = h(key, ["AWS4-HMAC-SHA256", at, scope, hex(canonical)].join("\n")).toString("hex");
  headers.authorization = "AWS4-HMAC-SHA256 Credential=" + process.env.AWS_ACCESS_KEY_ID + "/" + scope + ", SignedHeaders=" + names + ", Signature=" + signature;
  delete headers.host;
  const r = await fetch(url, {method: "POST", headers, body});
  if (!r.ok) throw new Error(target + ": " + r.status + " " + await r.text());
}
`

// seenFunction tells a table of every version of an item that it is given. A
// version below one that it was given before by the same attempt of the stream
// would be no error; one that is left out is found by the test.
const seenFunction = tableCalls + `
exports.handler = async (event) => {
  const puts = event.Records.map((r) => ({PutRequest: {Item: {id: {S: r.dynamodb.Keys.id.S + "#" + r.dynamodb.NewImage.n.N}}}}));
  await call("BatchWriteItem", {RequestItems: {seen: puts}});
};`

// TestMappingThroughKill has clients put items of a table whose stream is mapped
// to a function, while moln is ended with SIGKILL and started again. The function
// must have been given every version of every item that was acknowledged.
func TestMappingThroughKill(t *testing.T) {
	onEachStore(t, mappingThroughKill)
}

func mappingThroughKill(t *testing.T, args ...string) {
	p := start(t, args...)
	c := newClient(p.endpoint)
	makeMapping(t, c)
	var written sync.Map // "id#n" of what was acknowledged
	var count atomic.Int64
	next := make([]int, mappingWriters)
	for range mappingDeaths {
		allUntilKilled(p, mappingWriters, beforeDeath(), func(w, _ int) bool {
			id, n := fmt.Sprintf("w%d", w), next[w]
			next[w]++
			a, err := c.target(t.Context(), "dynamodb", "DynamoDB_20120810.PutItem", fields{
				"TableName": mappingSource, "Item": fields{"id": fields{"S": id}, "n": fields{"N": fmt.Sprint(n)}},
			}, nil)
			if err != nil {
				return false
			}
			if err := a.err(); err != nil {
				t.Error(err)
				return false
			}
			written.Store(fmt.Sprintf("%s#%d", id, n), true)
			count.Add(1)
			return true
		})
		p = start(t, args...)
		c = newClient(p.endpoint)
	}
	awaitSeen(t, p, c, &written, count.Load())
}

// beforeDeath is how long mappings are written to before the process dies.
func beforeDeath() time.Duration {
	return 300*time.Millisecond + time.Duration(rand.Int64N(int64(time.Second)))
}

// awaitSeen waits until the function has been given all that was acknowledged.
func awaitSeen(t *testing.T, p *process, c *client, written *sync.Map, count int64) {
	t.Helper()
	began := time.Now()
	for {
		seen, err := scanIDs(t.Context(), c, "seen")
		if err != nil {
			t.Fatal(err)
		}
		missing := ""
		written.Range(func(id, _ any) bool {
			if !seen[id.(string)] {
				missing = id.(string)
			}
			return missing == ""
		})
		if missing == "" {
			t.Logf("the function was given all of %d acknowledged, %d in all, %v after the last start", count, len(seen), time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > mappingWait {
			t.Fatalf("the function was not given %s; it was given %d of %d\n%s", missing, len(seen), count, p.stderr)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// makeMapping makes two tables, the function, and the mapping between them.
func makeMapping(t *testing.T, c *client) {
	t.Helper()
	ctx := t.Context()
	var made struct {
		TableDescription struct{ LatestStreamArn string }
	}
	for _, name := range []string{"seen", mappingSource} {
		in := fields{
			"TableName": name, "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions": []fields{{"AttributeName": "id", "AttributeType": "S"}},
			"KeySchema":            []fields{{"AttributeName": "id", "KeyType": "HASH"}},
		}
		if name == mappingSource {
			in["StreamSpecification"] = fields{"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}
		}
		good(t, func() (answer, error) { return c.target(ctx, "dynamodb", "DynamoDB_20120810.CreateTable", in, &made) })
	}
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	may := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["dynamodb:*","logs:*"],"Resource":"*"}}`
	for _, form := range []url.Values{
		{"Action": {"CreateRole"}, "RoleName": {"seer"}, "AssumeRolePolicyDocument": {trust}},
		{"Action": {"PutRolePolicy"}, "RoleName": {"seer"}, "PolicyName": {"p"}, "PolicyDocument": {may}},
	} {
		form.Set("Version", "2010-05-08")
		good(t, func() (answer, error) { return c.form(ctx, "iam", form.Encode()) })
	}
	post := func(path string, in fields) {
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		good(t, func() (answer, error) {
			return c.do(ctx, "lambda", http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body)
		})
	}
	post("/2015-03-31/functions", fields{
		"FunctionName": "see", "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": "arn:aws:iam::000000000000:role/seer", "Timeout": 20,
		"Code": fields{"ZipFile": zipped(t, "index.js", seenFunction)},
	})
	post("/2015-03-31/event-source-mappings", fields{
		"FunctionName": "see", "EventSourceArn": made.TableDescription.LatestStreamArn, "StartingPosition": "TRIM_HORIZON", "BatchSize": 25, "ParallelizationFactor": 2,
	})
}

// good fails the test where an answer is not one of success.
func good(t *testing.T, do func() (answer, error)) {
	t.Helper()
	a, err := do()
	if err == nil {
		err = a.err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// zipped is an archive of one file. It may be called by any goroutine.
func zipped(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Error(err)
	}
	return b.Bytes()
}

// scanIDs reads the ids of all items of a table.
func scanIDs(ctx context.Context, c *client, table string) (map[string]bool, error) {
	out, in := map[string]bool{}, fields{"TableName": table}
	for {
		var page struct {
			Items            []struct{ ID struct{ S string } }
			LastEvaluatedKey json.RawMessage
		}
		a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810.Scan", in, &page)
		if err == nil {
			err = a.err()
		}
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			out[it.ID.S] = true
		}
		if len(page.LastEvaluatedKey) == 0 || strings.TrimSpace(string(page.LastEvaluatedKey)) == "null" {
			return out, nil
		}
		in["ExclusiveStartKey"] = page.LastEvaluatedKey
	}
}
