package pool

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// behaviour is what a bootstrap does with a function, as AWS's own runtimes do:
// the answer, as a pattern, and patterns of the log.
type behaviour struct {
	name, code string
	handler    string // index.handler
	env        map[string]string
	outcome    Outcome
	payload    string
	log        []string
}

const (
	stamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
)

var asJSON = map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}

var nodeBehaviours = []behaviour{
	{name: "callback", code: `exports.handler = (e, c, done) => done(null, 1)`, payload: `1`, log: []string{`WARN\tCallback-based handlers`}},
	{name: "callback waits", code: `exports.handler = (e, c, done) => { const r = {}; setTimeout(() => { r.late = true }, 50); done(null, r) }`, payload: `{"late":true}`},
	{name: "callback waits not", code: `exports.handler = (e, c, done) => { c.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 1e6); done(null, 2) }`, payload: `2`},
	{name: "callback with an error", code: `exports.handler = (e, c, done) => { setTimeout(() => {}, 1e6); done(new TypeError("bad")) }`, outcome: Failed, payload: `{"errorType":"TypeError","errorMessage":"bad","trace":\["TypeError: bad","    at .*\]}`,
		log: []string{`^req-1: ` + stamp + `\treq-1\tERROR\tInvoke Error \t{"errorType":"TypeError","errorMessage":"bad","stack":\["TypeError: bad","    at `}},
	{name: "callback with a string", code: `exports.handler = (e, c, done) => done("bad")`, outcome: Failed, payload: `{"errorType":"string","errorMessage":"bad","trace":\[\]}`,
		log: []string{`Invoke Error \t{"errorType":"Error","errorMessage":"bad","stack":`}},
	{name: "first call counts", code: `exports.handler = (e, c, done) => { done(null, 3); c.succeed(4); c.fail("no") }`, payload: `3`},
	{name: "succeed", code: `exports.handler = (e, c) => { setTimeout(() => {}, 1e6); c.succeed({a: 1}) }`, payload: `{"a":1}`},
	{name: "fail without a reason", code: `exports.handler = (e, c) => c.fail()`, outcome: Failed, payload: `{"errorType":"string","errorMessage":"handled","trace":\[\]}`},
	{name: "done", code: `exports.handler = (e, c) => c.done(null, 5)`, payload: `5`},
	{name: "nobody calls back", code: `exports.handler = () => {}`, payload: `null`},
	{name: "a promise of no async function is never settled", code: `exports.handler = () => new Promise(() => {})`, payload: `null`},
	{name: "async is never settled", code: `exports.handler = async () => new Promise(() => {})`, outcome: Failed, payload: `{"errorType":"Runtime.NodeJsExit","errorMessage":"The Lambda runtime client detected an unexpected Node.js exit code\. .*`},
	{name: "throws", code: `exports.handler = () => { throw new RangeError("far") }`, outcome: Failed, payload: `{"errorType":"RangeError","errorMessage":"far","trace":\[.*`},
	{name: "throws null", code: `exports.handler = () => { throw null }`, payload: `null`},
	{name: "throws an object", code: `exports.handler = async () => { throw {a: 1} }`, outcome: Failed, payload: `{"errorType":"object","errorMessage":"\[object Object\]","trace":\[\]}`},
	{name: "rejects with nothing", code: `exports.handler = async () => { throw undefined }`, outcome: Failed, payload: `{"errorType":"string","errorMessage":"handled","trace":\[\]}`},
	{name: "an error with a code", code: `exports.handler = async () => { throw Object.assign(new Error("x"), {code: "E1", more: 2}) }`, outcome: Failed, payload: `{"errorType":"Error","errorMessage":"x","trace":.*`,
		log: []string{`{"errorType":"Error","errorMessage":"x","code":"E1","more":2,"stack":\["Error: x"`}},
	{name: "no JSON", code: `exports.handler = async () => { const a = {}; a.a = a; return a }`, outcome: Failed, payload: `{"errorType":"Error","errorMessage":"Unable to stringify response body",.*`},
	{name: "undefined", code: `exports.handler = async () => undefined`, payload: `null`},
	{name: "unhandled rejection", code: `exports.handler = async () => { Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 1e6)) }`, outcome: Failed,
		payload: `{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","trace":\["Runtime.UnhandledPromiseRejection: Error: lost","    at .*`,
		log:     []string{`ERROR\tUnhandled Promise Rejection \t{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","reason":{"errorType":"Error","errorMessage":"lost","stack":\[.*"promise":{},"stack":\["Runtime.UnhandledPromiseRejection: Error: lost"`}},
	{name: "uncaught exception", code: `exports.handler = async () => { setTimeout(() => { throw new Error("later") }, 1); await new Promise((r) => setTimeout(r, 1e6)) }`, outcome: Failed,
		payload: `{"errorType":"Error","errorMessage":"later","trace":.*`, log: []string{`\treq-1\tERROR\tUncaught Exception \t{"errorType":"Error","errorMessage":"later"`}},
	{name: "not there", handler: "nowhere.handler", code: ``, outcome: InitFailed, payload: `{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'nowhere'\\nRequire stack:.*`,
		log: []string{`^: ` + stamp + `\tundefined\tERROR\tUncaught Exception \t{"errorType":"Runtime.ImportModuleError"`}},
	{name: "needs what is not there", code: `require("absent")`, outcome: InitFailed, payload: `{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'absent'\\nRequire stack:\\n- /var/task/index.js\\n.*`},
	{name: "no export", code: `exports.other = 1`, outcome: InitFailed, payload: `{"errorType":"Runtime.HandlerNotFound","errorMessage":"index.handler is undefined or not exported",.*`},
	{name: "no function", code: `exports.handler = 1`, outcome: InitFailed, payload: `{"errorType":"Runtime.HandlerNotFound","errorMessage":"index.handler is not a function",.*`},
	{name: "bad name", handler: "index", code: ``, outcome: InitFailed, payload: `{"errorType":"Runtime.MalformedHandlerName","errorMessage":"Bad handler",.*`},
	{name: "upwards", handler: "../index.handler", code: ``, outcome: InitFailed, payload: `{"errorType":"Runtime.MalformedHandlerName","errorMessage":"'../index.handler' is not a valid handler name\. Use absolute paths when specifying root directories in handler names\.",.*`},
	{name: "syntax", code: `exports.handler = (`, outcome: InitFailed, payload: `{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: Unexpected end of input","trace":\["Runtime.UserCodeSyntaxError: SyntaxError: Unexpected end of input",.*`},
	{name: "throws at load", code: `throw new TypeError("early")`, outcome: InitFailed, payload: `{"errorType":"TypeError","errorMessage":"early","trace":\["TypeError: early","    at Object.<anonymous> \(/var/task/index.js:1:7\)".*`},
	{name: "JSON", env: asJSON, code: `exports.handler = async () => { console.debug("no"); console.log("a %s", "b"); console.info({a: 1}); console.warn("w", new TypeError("t")); console.log(new Error("e")) }`, payload: `null`, log: []string{
		`req-1: {"timestamp":"` + stamp + `","level":"INFO","requestId":"req-1","message":"a b"}`,
		`"level":"INFO","requestId":"req-1","message":{"a":1}}`,
		`"level":"WARN","requestId":"req-1","message":"w TypeError: t.*","errorType":"TypeError","errorMessage":"t","stackTrace":\["TypeError: t"`,
		`"level":"INFO","requestId":"req-1","message":{"errorType":"Error","errorMessage":"e","stackTrace":\["Error: e"`,
	}},
	{name: "JSON error", env: asJSON, code: `exports.handler = async () => { throw new RangeError("far") }`, outcome: Failed, payload: `{"errorType":"RangeError",.*`, log: []string{
		`{"timestamp":"` + stamp + `","level":"ERROR","requestId":"req-1","message":{"errorType":"RangeError","errorMessage":"far","stackTrace":\["RangeError: far"`,
	}},
}

var pythonBehaviours = []behaviour{
	{name: "types", code: "from decimal import Decimal\ndef handler(e, c): return {'d': Decimal('1.10'), 't': (1, None), 'u': '\u00e9', 'n': float('nan')}", payload: `{"d": 1\.10, "t": \[1, null\], "u": "\\u00e9", "n": NaN}`},
	{name: "UTF-8", env: map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}, code: "def handler(e, c): return '\u00e9'", payload: `"` + "\u00e9" + `"`},
	{name: "bytes", code: "def handler(e, c): return b'raw'", payload: `raw`},
	{name: "no JSON", code: "def handler(e, c): return {'s': set()}", outcome: Failed, payload: `{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "req-1", "stackTrace": \[\]}`,
		log: []string{`^req-1: \[ERROR\] Runtime.MarshalError: Unable to marshal response: Object of type set is not JSON serializable\nTraceback \(most recent call last\):$`}},
	{name: "raises", code: "def inner():\n    raise ValueError('bad')\ndef handler(e, c):\n    inner()", outcome: Failed,
		payload: `{"errorMessage": "bad", "errorType": "ValueError", "requestId": "req-1", "stackTrace": \["  File \\"/var/task/index.py\\", line 4, in handler\\n    inner\(\)\\n", "  File \\"/var/task/index.py\\", line 2, in inner\\n    raise ValueError\('bad'\)\\n"\]}`,
		log:     []string{"^req-1: \\[ERROR\\] ValueError: bad\nTraceback \\(most recent call last\\):\n\u00a0\u00a0File \"/var/task/index.py\", line 4, in handler\n\u00a0\u00a0\u00a0\u00a0inner\\(\\)\n"}},
	{name: "not there", handler: "nowhere.handler", code: "", outcome: InitFailed, payload: `{"errorMessage": "Unable to import module 'nowhere': No module named 'nowhere'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": \[\]}`,
		log: []string{`^: \[WARNING\]\t` + stamp + `\t\tLAMBDA_WARNING: Unhandled exception\.`, `^: \[ERROR\] Runtime.ImportModuleError: Unable to import module 'nowhere': No module named 'nowhere'\nTraceback \(most recent call last\):$`}},
	{name: "needs what is not there", code: "import absent", outcome: InitFailed, payload: `{"errorMessage": "Unable to import module 'index': No module named 'absent'", "errorType": "Runtime.ImportModuleError",.*`},
	{name: "no handler", handler: "index.other", code: "", outcome: InitFailed, payload: `{"errorMessage": "Handler 'other' missing on module 'index'", "errorType": "Runtime.HandlerNotFound",.*`},
	{name: "bad name", handler: "index", code: "", outcome: InitFailed, payload: `{"errorMessage": "Bad handler 'index': not enough values to unpack \(expected 2, got 1\)", "errorType": "Runtime.MalformedHandlerName",.*`},
	{name: "built in", handler: "sys.exit", code: "", outcome: InitFailed, payload: `{"errorMessage": "Cannot use built-in module sys as a handler module", "errorType": "Runtime.BuiltInModuleConflict",.*`},
	{name: "syntax", code: "def handler(:", outcome: InitFailed, payload: `{"errorMessage": "Syntax error in module 'index': invalid syntax \(index.py, line 1\)", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": \["  File \\"/var/task/index.py\\" Line 1\\n    def handler\(:(\\n)?"\]}`},
	{name: "raises at load", code: "1 / 0", outcome: InitFailed, payload: `{"errorMessage": "division by zero", "errorType": "ZeroDivisionError", "requestId": "", "stackTrace": \[.*"  File \\"/var/task/index.py\\", line 1, in <module>\\n    1 / 0\\n"\]}`},
	{name: "exits", code: "import sys\ndef handler(e, c): sys.exit(4)", outcome: Exited},
	{name: "text log", code: "import logging\ndef handler(e, c):\n    logging.info('no')\n    logging.warning('two\\nlines')\n    print('out')", payload: `null`,
		log: []string{`^req-1: \[WARNING\]\t` + stamp + `\treq-1\ttwo\nlines$`, `^req-1: out$`}},
	{name: "JSON", env: asJSON, code: "import logging\nlog = logging.getLogger('mine')\ndef handler(e, c):\n    log.debug('no')\n    log.info('yes', extra={'own': 1})\n    try: 1 / 0\n    except Exception: log.exception('failed')", payload: `null`, log: []string{
		`{"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "level": "INFO", "message": "yes", "logger": "mine", "requestId": "req-1", "own": 1}`,
		`"level": "ERROR", "message": "failed", "logger": "mine", "stackTrace": \["  File \\"/var/task/index.py\\", line 6, in handler\\n .*"\], "errorType": "ZeroDivisionError", "errorMessage": "division by zero", "requestId": "req-1", "location": "/var/task/index.py:handler:7"}`,
	}},
	{name: "JSON error", env: asJSON, code: "def handler(e, c): raise KeyError('k')", outcome: Failed, payload: `{"errorMessage": "'k'", "errorType": "KeyError",.*`, log: []string{
		`{"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "log_level": "ERROR", "errorMessage": "'k'", "errorType": "KeyError", "requestId": "req-1", "stackTrace": \[`,
	}},
	{name: "context", code: "def handler(e, c): return [c.aws_request_id, c.function_name, c.client_context.custom, c.client_context.client.app_title, c.identity.cognito_identity_id, c.get_remaining_time_in_millis() > 0, c.memory_limit_in_mb]", payload: `\["req-1", "fn", {"a": 1}, "app", "id", true, "128"\]`},
	{name: "deep module", handler: "a.b.handler", code: "", payload: `7`},
}

func TestBootstraps(t *testing.T) {
	h := newHost(t, nil)
	for language, list := range map[string][]behaviour{"nodejs20.x": nodeBehaviours, "python3.11": pythonBehaviours} {
		for _, b := range list {
			t.Run(language+"/"+b.name, func(t *testing.T) { b.check(t, h, language) })
		}
	}
}

func (b behaviour) check(t *testing.T, h *host, runtime string) {
	tmpl := h.template(t, runtime, b.code)
	if b.handler != "" {
		tmpl.Handler = b.handler
	}
	if b.handler == "a.b.handler" {
		if err := os.MkdirAll(filepath.Join(tmpl.CodeDir, "a"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tmpl.CodeDir, "a", "b.py"), []byte("def handler(e, c): return 7"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range b.env {
		tmpl.Env[name] = value
	}
	var lines []string
	tmpl.Log = func(r LogRecord) { lines = append(lines, r.RequestID+": "+r.Line) }
	env, _, err := h.pool.Acquire(t.Context(), tmpl)
	if err != nil {
		t.Fatal(err)
	}
	r, err := env.Invoke(t.Context(), Invocation{
		RequestID: "req-1", Payload: []byte("{}"), Timeout: 5 * time.Second,
		ClientContext: `{"custom":{"a":1},"client":{"app_title":"app"}}`, CognitoIdentity: `{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}`,
	})
	h.pool.Release(env, false)
	if err != nil || r.Outcome != b.outcome {
		t.Fatalf("%v, %v: %s\n%s", r.Outcome, err, r.Payload, strings.Join(lines, "\n"))
	}
	if !regexp.MustCompile(`(?s)^` + b.payload + `$`).Match(r.Payload) {
		t.Errorf("payload\n%s\nwant\n%s", r.Payload, b.payload)
	}
	for _, want := range b.log {
		found := false
		for _, line := range lines {
			found = found || regexp.MustCompile(`(?s)`+want).MatchString(line)
		}
		if !found {
			t.Errorf("no line\n%s\nin\n%s", want, strings.Join(lines, "\n"))
		}
	}
}
