package lambda

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	api "moln.dev/moln/api/lambda"
)

func tailOf(t *testing.T, out *api.InvokeOutput) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(*out.LogResult)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestInvokeNode(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("hello", `exports.handler = async (event, context) => {
		console.log("got", event.name);
		return {hello: event.name, fn: context.functionName, arn: context.invokedFunctionArn, key: process.env.AWS_ACCESS_KEY_ID,
			own: process.env.OWN, region: process.env.AWS_REGION, keys: Object.keys(process.env).filter(k => /MOLN_POOL|HOME|GOFLAGS/.test(k)), left: context.getRemainingTimeInMillis()};
	}`, func(in *api.CreateFunctionInput) {
		in.Environment = &api.Environment{Variables: map[string]string{"OWN": "mine"}}
	})
	out, v := w.invoke("hello", `{"name":"moln"}`)
	if out.FunctionError != nil {
		t.Fatalf("failed: %s", out.Payload)
	}
	if v["hello"] != "moln" || v["fn"] != "hello" || v["own"] != "mine" || v["region"] != region || v["arn"] != "arn:aws:lambda:eu-west-1:123456789012:function:hello" || v["key"] == nil {
		t.Errorf("answer %s", out.Payload)
	}
	if *out.ExecutedVersion != "$LATEST" {
		t.Errorf("version %s", *out.ExecutedVersion)
	}
	form := regexp.MustCompile(`(?s)^INIT_START Runtime Version: nodejs20.x\nSTART RequestId: \S+ Version: \$LATEST\n.*\tINFO\tgot moln\nEND RequestId: \S+\nREPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n$`)
	if tail := tailOf(t, out); !form.MatchString(tail) {
		t.Errorf("log %q", tail)
	}
	w.await("the log", func() bool { return strings.Contains(w.written("/aws/lambda/hello"), "REPORT RequestId") })
	if text := w.written("/aws/lambda/hello"); !strings.Contains(text, "\tINFO\tgot moln\n") {
		t.Errorf("log group has %q", text)
	}
	out, _ = w.invoke("hello", `{"name":"again"}`)
	if tail := tailOf(t, out); strings.Contains(tail, "Init Duration") {
		t.Errorf("the second invocation was cold: %q", tail)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.streams) != 1 {
		t.Errorf("%d streams for one environment", len(w.streams))
	}
}

func TestInvokePython(t *testing.T) {
	w := newWorld(t, Options{})
	must(w, api.CreateFunction, &api.CreateFunctionInput{
		FunctionName: new("py"), Runtime: new("python3.12"), Role: new(goodRole), Handler: new("app.main"),
		Code: &api.FunctionCode{ZipFile: zipOf(t, "app.py", "def main(event, context):\n    return {'sum': event['a'] + event['b'], 'v': context.function_version}\n")},
	})
	out, v := w.invoke("py", `{"a":1,"b":2}`)
	if v["sum"] != 3.0 || v["v"] != "$LATEST" {
		t.Errorf("answer %s", out.Payload)
	}
}
