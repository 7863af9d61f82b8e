package lambda

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// pyExtension is an external extension. It works for a while behind each answer.
const pyExtension = `#!/bin/sh
exec /usr/bin/python3 -S - <<'PY'
import json, os, time, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
def call(path, body, headers):
    return urllib.request.urlopen(urllib.request.Request(base + path, body, headers))
r = call("register", b'{"events":["INVOKE","SHUTDOWN"]}', {"Lambda-Extension-Name": "watcher"})
own = {"Lambda-Extension-Identifier": r.headers["Lambda-Extension-Identifier"]}
while True:
    e = json.load(call("event/next", None, own))
    print("watcher saw", e["eventType"], e.get("shutdownReason", ""), flush=True)
    if e["eventType"] == "SHUTDOWN":
        break
    time.sleep(float(os.environ.get("WORK", "0")))
PY
`

// extensionLayer publishes a layer with an extension that may be executed.
func (w *world) extensionLayer(name, script string) string {
	w.t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "extensions/" + name}
	h.SetMode(0o755)
	f, err := z.CreateHeader(h)
	if err == nil {
		_, err = f.Write([]byte(script))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return *must(w, api.PublishLayerVersion, &api.PublishLayerVersionInput{
		LayerName: &name, Content: &api.LayerVersionContentInput{ZipFile: b.Bytes()},
	}).LayerVersionArn
}

// The log of an environment with an extension tells of each phase in order; the
// caller does not wait for the extension.
func TestExtensionInALayer(t *testing.T) {
	w := newWorld(t, Options{})
	layer := w.extensionLayer("watcher", pyExtension)
	w.node("fn", `console.log('loading'); exports.handler = async () => { console.log('handling'); return {}; };`, func(in *api.CreateFunctionInput) {
		in.Layers, in.Timeout, in.MemorySize = []string{layer}, new(int32(10)), new(int32(256))
		in.Environment = &api.Environment{Variables: map[string]string{"WORK": "0.5"}}
	})
	w.invoke("fn", `{}`) // cold
	w.await("the first to be over", func() bool { return strings.Contains(w.written("/aws/lambda/fn"), "REPORT") })
	began := time.Now()
	out, err := service.Invoke(t.Context(), w.call(), api.Invoke, &api.InvokeInput{FunctionName: new("fn")})
	if took := time.Since(began); err != nil || string(out.Payload) != "{}" || took > 400*time.Millisecond {
		t.Errorf("after %v: %s, %v", took, out.Payload, err)
	}
	w.await("the second to be over", func() bool { return strings.Count(w.written("/aws/lambda/fn"), "REPORT") == 2 })
	const id = `RequestId: \S+`
	form := regexp.MustCompile(`(?s)^INIT_START Runtime Version: nodejs20.x\n.*loading\n` +
		`EXTENSION\tName: watcher\tState: Ready\tEvents: \[INVOKE, SHUTDOWN\]\nSTART ` + id + `.*handling.*END ` + id + `.*\nREPORT ` + id + `\tDuration: (\d+)\.\d+ ms`)
	text := w.written("/aws/lambda/fn")
	m := form.FindStringSubmatch(text)
	if m == nil || len(m[1]) < 3 || strings.Count(text, "watcher saw INVOKE") != 2 {
		t.Errorf("log\n%s", text)
	}
	must(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("fn")})
	w.await("the end", func() bool { return strings.Contains(w.written("/aws/lambda/fn"), "watcher saw SHUTDOWN spindown") })
}

func TestExtensionCrash(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("fn", `exports.handler = async () => 1;`, func(in *api.CreateFunctionInput) {
		in.Layers = []string{w.extensionLayer("bad", "#!/bin/sh\nexit 3\n")}
		in.LoggingConfig = &api.LoggingConfig{LogFormat: new(api.LogFormatJson)}
	})
	out, v := w.invoke("fn", `{}`)
	message, _ := v["errorMessage"].(string)
	if smithy.Val(out.FunctionError) != "Unhandled" || v["errorType"] != "Extension.Crash" || !strings.HasSuffix(message, " Error: exit status 3") {
		t.Errorf("%s", out.Payload)
	}
	w.await("the log", func() bool { return strings.Contains(w.written("/aws/lambda/fn"), "platform.report") })
	text := w.written("/aws/lambda/fn")
	for _, want := range []string{`"type":"platform.initReport","record":{"initializationType":"on-demand","phase":"init","status":"error","errorType":"Extension.Crash"`, `"type":"platform.extension","record":{"name":"bad"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// A caller's trace goes on; without one there is a new one.
func TestTraceHeader(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("fn", `exports.handler = async () => [process.env._X_AMZN_TRACE_ID, process.env.AWS_XRAY_DAEMON_ADDRESS, process.env._AWS_XRAY_DAEMON_PORT, process.env.AWS_LAMBDA_INITIALIZATION_TYPE, process.env.TZ];`)
	for given, want := range map[string]string{
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:0": `^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:[0-9a-f]{8}:1$`,
		"Root=none":     `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:1$`,
		"Sampled=1\r\n": `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:1$`,
	} {
		c := w.call()
		c.HTTP = &service.HTTP{Request: &http.Request{Header: http.Header{"X-Amzn-Trace-Id": {given}}}}
		out, err := w.s.invokeFunction(t.Context(), c, &api.InvokeInput{FunctionName: new("fn")})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := json.Unmarshal(out.Payload, &got); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(want).MatchString(got[0]) || got[1] != "169.254.79.129:2000" || got[2] != "2000" || got[3] != "on-demand" || got[4] != ":UTC" {
			t.Errorf("%q: %q", given, got)
		}
	}
}
