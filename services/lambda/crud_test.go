package lambda

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

func TestTableIsComplete(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newWorld(t, Options{Sandbox: "none"}).s.Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
		if op.Level != service.LevelFull && op.Note == "" {
			t.Errorf("%s has no note", o.Name)
		}
	}
	for _, o := range api.Schema.Operations {
		if seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestParseRef(t *testing.T) {
	p := fn.Place{Account: account, Region: region}
	for _, c := range []struct{ text, qualifier, want string }{
		{"f", "", account + " f "},
		{"f:live", "", account + " f live"},
		{"f:$LATEST", "", account + " f $LATEST"},
		{"f", "3", account + " f 3"},
		{"f:3", "3", account + " f 3"},
		{"999999999999:function:f:live", "", "999999999999 f live"},
		{"arn:aws:lambda:eu-west-1:999999999999:function:f", "", "999999999999 f "},
		{"arn:aws:lambda:eu-west-1:123456789012:function:f:7", "", account + " f 7"},
		{"f:3", "4", "InvalidParameterValueException"},
		{"arn:aws:lambda:us-east-1:123456789012:function:f", "", "ResourceNotFoundException"},
		{"arn:aws:lambda:eu-west-1:123456789012:layer:f", "", "InvalidParameterValueException"},
		{"a/b", "", "InvalidParameterValueException"},
		{"", "", "InvalidParameterValueException"},
		{"f:", "", "InvalidParameterValueException"},
		{"f:a:b", "", "InvalidParameterValueException"},
		{strings.Repeat("n", 65), "", "InvalidParameterValueException"},
	} {
		r, err := fn.ParseRef(p, c.text, c.qualifier)
		got := r.Account + " " + r.Name + " " + r.Qualifier
		if f := fault.As(err); f != nil {
			got = f.Code
		}
		if got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.text, c.qualifier, got, c.want)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("arn:aws:lambda:eu-west-1:123456789012:function:f:7", "7")
	f.Add("123456789012:function:f", "")
	f.Fuzz(func(t *testing.T, text, qualifier string) {
		r, err := fn.ParseRef(fn.Place{Account: account, Region: region}, text, qualifier)
		if err != nil {
			return
		}
		again, err := fn.ParseRef(fn.Place{Account: account, Region: region}, r.ARN(), "")
		if err != nil || again != r {
			t.Errorf("%q becomes %q, which becomes %+v, %v", text, r.ARN(), again, err)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	type in = api.CreateFunctionInput
	for name, c := range map[string]struct {
		change        func(*in)
		code, message string
	}{
		"runtime":  {func(i *in) { i.Runtime = new("nodejs99.x") }, "InvalidParameterValueException", "Value nodejs99.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["},
		"language": {func(i *in) { i.Runtime = new("dotnet8") }, "InvalidParameterValueException", "moln cannot run dotnet8 here"},
		"role":     {func(i *in) { i.Role = new("arn:aws:iam::123456789012:role/other") }, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."},
		"handler":  {func(i *in) { i.Handler = nil }, "InvalidParameterValueException", "Runtime and Handler are mandatory parameters"},
		"timeout":  {func(i *in) { i.Timeout = new(int32(901)) }, "InvalidParameterValueException", "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		"memory":   {func(i *in) { i.MemorySize = new(int32(10241)) }, "InvalidParameterValueException", "less than or equal to 10240"},
		"reserved": {func(i *in) {
			i.Environment = &api.Environment{Variables: map[string]string{"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "y"}}
		}, "InvalidParameterValueException", "Reserved keys used in this request: AWS_ACCESS_KEY_ID, AWS_REGION"},
		"large environment": {func(i *in) {
			i.Environment = &api.Environment{Variables: map[string]string{"AA": strings.Repeat("x", 4096)}}
		}, "InvalidParameterValueException", "exceeded the 4KB limit. String measured: {"},
		"vpc":     {func(i *in) { i.VpcConfig = &api.VpcConfig{SubnetIds: []string{"subnet-1"}} }, "InvalidParameterValueException", "moln does not support VpcConfig"},
		"no code": {func(i *in) { i.Code = &api.FunctionCode{} }, "InvalidParameterValueException", "Please provide a source for function code."},
		"bad zip": {func(i *in) { i.Code.ZipFile = []byte("nonsense") }, "InvalidParameterValueException", "Could not unzip uploaded file."},
		"no object": {func(i *in) { i.Code = &api.FunctionCode{S3Bucket: new("bucket"), S3Key: new("none")} }, "InvalidParameterValueException",
			"Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."},
		"aws tag": {func(i *in) { i.Tags = map[string]string{"aws:x": "y"} }, "InvalidParameterValueException", "System tags"},
	} {
		input := &in{FunctionName: new("f"), Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("index.handler"), Code: &api.FunctionCode{ZipFile: zipOf(t, "index.js", "")}}
		c.change(input)
		_, err := do(w, api.CreateFunction, input)
		if f := fault.As(err); f == nil || f.Code != c.code || !strings.Contains(f.Message, c.message) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.denied["iam:PassRole"] = true
	if _, err := do(w, api.CreateFunction, &in{FunctionName: new("f"), Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("index.handler"), Code: &api.FunctionCode{ZipFile: zipOf(t, "index.js", "")}}); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("a role was passed without permission: %v", err)
	}
	i := slices.IndexFunc(w.judged, func(c service.Check) bool { return c.Action == "iam:PassRole" })
	if i < 0 || w.judged[i].Context["iam:passedtoservice"][0] != "lambda.amazonaws.com" {
		t.Errorf("PassRole was judged as %+v", w.judged)
	}
}

func TestFunctionLifecycle(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.objects["bucket/key"] = zipOf(t, "index.js", "exports.handler = 1")
	created := must(w, api.CreateFunction, &api.CreateFunctionInput{
		FunctionName: new("f"), Runtime: new("nodejs6.10"), Role: new(goodRole), Handler: new("index.handler"),
		Code: &api.FunctionCode{S3Bucket: new("bucket"), S3Key: new("key")}, Environment: &api.Environment{Variables: map[string]string{"AA": "secret value"}},
		Tags: map[string]string{"team": "a"}, TracingConfig: &api.TracingConfig{Mode: new(api.TracingModeActive)},
	})
	if *created.TracingConfig.Mode != api.TracingModeActive {
		t.Errorf("traced %s", *created.TracingConfig.Mode)
	}
	if *created.State != "Active" || *created.LastUpdateStatus != "Successful" || *created.Version != "$LATEST" || *created.Timeout != 3 || *created.MemorySize != 128 ||
		*created.FunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:f" {
		t.Errorf("created %+v", created)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000-0700", *created.LastModified); err != nil {
		t.Error(err)
	}
	got := must(w, api.GetFunction, &api.GetFunctionInput{FunctionName: new("f")})
	if diff := cmp.Diff(created, got.Configuration); diff != "" {
		t.Errorf("created and read differ: %s", diff)
	}
	if got.Tags["team"] != "a" || got.Configuration.Environment.Variables["AA"] != "secret value" {
		t.Errorf("read %+v", got)
	}
	_, err := do(w, api.CreateFunction, &api.CreateFunctionInput{FunctionName: new("f"), Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("h.h"), Code: &api.FunctionCode{ZipFile: zipOf(t, "x", "")}})
	if f := fault.As(err); f == nil || f.Code != "ResourceConflictException" || f.Status != 409 || f.Message != "Function already exist: f" {
		t.Errorf("created twice: %v", err)
	}
	_, err = do(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Timeout: new(int32(9)), RevisionId: new("stale")})
	if !fault.Is(err, "PreconditionFailedException") {
		t.Errorf("stale revision: %v", err)
	}
	changed := must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Timeout: new(int32(9)), RevisionId: created.RevisionId})
	if *changed.Timeout != 9 || *changed.RevisionId == *created.RevisionId || changed.Environment.Variables["AA"] != "secret value" {
		t.Errorf("changed %+v", changed)
	}
	must(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("f")})
	_, err = do(w, api.GetFunction, &api.GetFunctionInput{FunctionName: new("f")})
	if f := fault.As(err); f == nil || f.Status != 404 || f.Message != "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:f" {
		t.Errorf("after deletion: %v", err)
	}
	if names := w.blobs(); len(names) != 0 {
		t.Errorf("packages left: %v", names)
	}
}

func TestBlobsFollowVersions(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("f")})
	must(w, api.UpdateFunctionCode, &api.UpdateFunctionCodeInput{FunctionName: new("f"), ZipFile: zipOf(t, "index.js", "2")})
	if n := len(w.blobs()); n != 2 {
		t.Errorf("%d packages for two versions", n)
	}
	must(w, api.UpdateFunctionCode, &api.UpdateFunctionCodeInput{FunctionName: new("f"), ZipFile: zipOf(t, "index.js", "3")})
	must(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("f"), Qualifier: new("1")})
	if n := len(w.blobs()); n != 1 {
		t.Errorf("%d packages for one version", n)
	}
	must(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("f")})
	if n := len(w.blobs()); n != 0 {
		t.Errorf("%d packages for none", n)
	}
}

func (w *world) blobs() (ids []string) {
	err := w.s.deps.Blobs.List(w.t.Context(), func(i blob.Info) error {
		ids = append(ids, i.ID)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

func TestCodeLocation(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	data := zipOf(t, "index.js", "1")
	w.node("f", "1")
	url := *must(w, api.GetFunction, &api.GetFunctionInput{FunctionName: new("f")}).Code.Location
	e := w.s.codeEndpoint()
	get := func(url string) (int, []byte) {
		r := httptest.NewRequest(http.MethodGet, url, nil)
		rec := httptest.NewRecorder()
		if !e.Match(r, "127.0.0.1") {
			t.Fatalf("%s is not the endpoint's", url)
		}
		e.Serve(rec, r, w.call())
		return rec.Code, rec.Body.Bytes()
	}
	if status, body := get(url); status != 200 || !bytes.Equal(body, data) {
		t.Errorf("%d, %d bytes", status, len(body))
	}
	if status, _ := get(url + "x"); status != 403 {
		t.Errorf("a changed token: %d", status)
	}
	w.clock.Advance(codeLocationLife)
	if status, _ := get(url); status != 403 {
		t.Errorf("an old token: %d", status)
	}
}

func TestListing(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	for _, name := range []string{"a", "b", "c"} {
		w.node(name, name)
		must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: &name})
	}
	list := func(version *string, size int32) (names []string) {
		var marker *string
		for {
			out := must(w, api.ListFunctions, &api.ListFunctionsInput{MaxItems: &size, Marker: marker, FunctionVersion: version})
			for _, f := range out.Functions {
				names = append(names, *f.FunctionName+":"+*f.Version)
			}
			if marker = out.NextMarker; marker == nil {
				return names
			}
		}
	}
	plain := []string{"a:$LATEST", "b:$LATEST", "c:$LATEST"}
	every := []string{"a:$LATEST", "a:1", "b:$LATEST", "b:1", "c:$LATEST", "c:1"}
	for size := int32(1); size < 8; size++ {
		if got := list(nil, size); !slices.Equal(got, plain) {
			t.Errorf("by %d: %v", size, got)
		}
		if got := list(new("ALL"), size); !slices.Equal(got, every) {
			t.Errorf("all by %d: %v", size, got)
		}
	}
	versions := must(w, api.ListVersionsByFunction, &api.ListVersionsByFunctionInput{FunctionName: new("a"), MaxItems: new(int32(1))})
	if len(versions.Versions) != 1 || *versions.Versions[0].Version != "$LATEST" || versions.NextMarker == nil {
		t.Fatalf("first page %+v", versions)
	}
	versions = must(w, api.ListVersionsByFunction, &api.ListVersionsByFunctionInput{FunctionName: new("a"), MaxItems: new(int32(1)), Marker: versions.NextMarker})
	if len(versions.Versions) != 1 || *versions.Versions[0].Version != "1" || versions.NextMarker != nil {
		t.Errorf("second page %+v", versions)
	}
}

func TestPermissions(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	in := &api.AddPermissionInput{FunctionName: new("f"), StatementId: new("s1"), Action: new("lambda:InvokeFunction"), Principal: new("s3.amazonaws.com"),
		SourceArn: new("arn:aws:s3:::bucket"), SourceAccount: new(account)}
	const want = `{"Sid":"s1","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:eu-west-1:123456789012:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"},"StringEquals":{"AWS:SourceAccount":"123456789012"}}}`
	if out := must(w, api.AddPermission, in); *out.Statement != want {
		t.Errorf("statement %s", *out.Statement)
	}
	if _, err := do(w, api.AddPermission, in); !fault.Is(err, "ResourceConflictException") {
		t.Errorf("added twice: %v", err)
	}
	if out := must(w, api.GetPolicy, &api.GetPolicyInput{FunctionName: new("f")}); *out.Policy != `{"Version":"2012-10-17","Id":"default","Statement":[`+want+`]}` {
		t.Errorf("policy %s", *out.Policy)
	}
	for principal, ok := range map[string]bool{"*": true, "111122223333": true, "arn:aws:iam::111122223333:role/r": true, "apigateway.amazonaws.com": true, "nobody": false, "arn:aws:s3:::x": false} {
		sid := fmt.Sprintf("%x", principal)
		_, err := do(w, api.AddPermission, &api.AddPermissionInput{FunctionName: new("f"), StatementId: &sid, Action: new("lambda:InvokeFunction"), Principal: &principal})
		if (err == nil) != ok {
			t.Errorf("%s: %v", principal, err)
		}
	}
	must(w, api.RemovePermission, &api.RemovePermissionInput{FunctionName: new("f"), StatementId: new("s1")})
	if _, err := do(w, api.RemovePermission, &api.RemovePermissionInput{FunctionName: new("f"), StatementId: new("s1")}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("removed twice: %v", err)
	}
}

func TestEventConfig(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	put := &api.PutFunctionEventInvokeConfigInput{FunctionName: new("f"), MaximumRetryAttempts: new(int32(0))}
	must(w, api.PutFunctionEventInvokeConfig, put)
	must(w, api.UpdateFunctionEventInvokeConfig, &api.UpdateFunctionEventInvokeConfigInput{FunctionName: new("f"), MaximumEventAgeInSeconds: new(int32(60))})
	got := must(w, api.GetFunctionEventInvokeConfig, &api.GetFunctionEventInvokeConfigInput{FunctionName: new("f")})
	if *got.MaximumRetryAttempts != 0 || *got.MaximumEventAgeInSeconds != 60 || *got.FunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST" {
		t.Errorf("stored %+v", got)
	}
	if list := must(w, api.ListFunctionEventInvokeConfigs, &api.ListFunctionEventInvokeConfigsInput{FunctionName: new("f")}); len(list.FunctionEventInvokeConfigs) != 1 {
		t.Errorf("listed %+v", list)
	}
	for _, c := range []struct{ success, failure, want string }{
		{"", "arn:aws:sns:eu-west-1:123456789012:dead", "moln does not support arn:aws:sns:eu-west-1:123456789012:dead as a destination: it does not have that service"},
		{"", "arn:aws:sqs:eu-west-1:123456789012:dead.fifo", "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=arn:aws:sqs:eu-west-1:123456789012:dead.fifo)) is invalid."},
		{"arn:aws:s3:::bucket", "", "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::bucket), onFailure=null) is invalid."},
		{"arn:aws:lambda:eu-west-1:123456789012:function:gone", "", "The destination ARN arn:aws:lambda:eu-west-1:123456789012:function:gone is invalid."},
		{"arn:aws:lambda:eu-west-1:123456789012:function:f", "", "You can't specify the function as a destination for itself."},
		{"", "arn:aws:s3:::denied", "The function's execution role does not have permissions to call PutObject on arn:aws:s3:::denied"},
	} {
		w.denied["s3:PutObject"] = true
		put.DestinationConfig = &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: &c.success}, OnFailure: &api.OnFailure{Destination: &c.failure}}
		if _, err := do(w, api.PutFunctionEventInvokeConfig, put); !fault.Is(err, "InvalidParameterValueException") || fault.As(err).Message != c.want {
			t.Errorf("destinations %q, %q: %v", c.success, c.failure, err)
		}
	}
	must(w, api.DeleteFunctionEventInvokeConfig, &api.DeleteFunctionEventInvokeConfigInput{FunctionName: new("f")})
	if _, err := do(w, api.GetFunctionEventInvokeConfig, &api.GetFunctionEventInvokeConfigInput{FunctionName: new("f")}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("after deletion: %v", err)
	}
}

func TestReservedConcurrency(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	w.node("g", "1")
	put := func(name string, n int32) error {
		_, err := do(w, api.PutFunctionConcurrency, &api.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: &n})
		return err
	}
	if err := put("f", 900); err != nil {
		t.Error(err)
	}
	if err := put("g", 1); !fault.Is(err, "InvalidParameterValueException") {
		t.Errorf("more than there is: %v", err)
	}
	if out := must(w, api.GetAccountSettings, &api.GetAccountSettingsInput{}); *out.AccountLimit.UnreservedConcurrentExecutions != 100 || *out.AccountUsage.FunctionCount != 2 {
		t.Errorf("settings %+v %+v", out.AccountLimit, out.AccountUsage)
	}
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1", func(in *api.CreateFunctionInput) { in.Tags = map[string]string{"Team": "a"} })
	const base = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	for _, c := range []struct {
		op       smithy.Descriptor
		in       any
		resource string
	}{
		{api.Invoke, &api.InvokeInput{FunctionName: new("f"), Qualifier: new("live")}, base + ":live"},
		{api.GetFunction, &api.GetFunctionInput{FunctionName: new("f")}, base},
		{api.ListFunctions, &api.ListFunctionsInput{}, "*"},
		{api.TagResource, &api.TagResourceInput{Resource: new(base), Tags: map[string]string{"k": "v"}}, base},
		{api.GetFunction, &api.GetFunctionInput{FunctionName: new("none")}, "arn:aws:lambda:eu-west-1:123456789012:function:none"},
	} {
		_, o := c.op.Of()
		checks, err := w.s.authorize(t.Context(), w.call(), o, c.in)
		if err != nil || len(checks) != len(o.Actions) || checks[0].Resource != c.resource || checks[0].Action != o.Actions[0] {
			t.Errorf("%s: %+v %v", o.Name, checks, err)
		}
		if c.resource == base && !slices.Equal(checks[0].Context["aws:resourcetag/team"], []string{"a"}) {
			t.Errorf("%s: keys %v", o.Name, checks[0].Context)
		}
	}
}

// What an update without a member keeps, and what an update of a whole resets.
func TestUpdateKeepsOrResets(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	must(w, api.CreateFunction, &api.CreateFunctionInput{
		FunctionName: new("f"), Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("index.handler"),
		Code:          &api.FunctionCode{ZipFile: zipOf(t, "index.js", "exports.handler = 1")},
		Environment:   &api.Environment{Variables: map[string]string{"AA": "x"}},
		LoggingConfig: &api.LoggingConfig{LogFormat: new(api.LogFormatJson), LogGroup: new("mine"), SystemLogLevel: new(api.SystemLogLevelWarn)},
	})
	update := func(in api.UpdateFunctionConfigurationInput) *api.FunctionConfiguration {
		in.FunctionName = new("f")
		return must(w, api.UpdateFunctionConfiguration, &in)
	}
	kept := update(api.UpdateFunctionConfigurationInput{Environment: &api.Environment{}})
	if kept.Environment == nil || kept.Environment.Variables["AA"] != "x" || *kept.LoggingConfig.LogGroup != "mine" {
		t.Errorf("an environment without variables changed them: %+v, %+v", kept.Environment, kept.LoggingConfig)
	}
	cleared := update(api.UpdateFunctionConfigurationInput{Environment: &api.Environment{Variables: map[string]string{}}})
	if cleared.Environment != nil {
		t.Errorf("no variables left %+v", cleared.Environment)
	}
	json := update(api.UpdateFunctionConfigurationInput{LoggingConfig: &api.LoggingConfig{LogFormat: new(api.LogFormatJson)}})
	want := &api.LoggingConfig{
		LogFormat: new(api.LogFormatJson), LogGroup: new("/aws/lambda/f"),
		ApplicationLogLevel: new(api.ApplicationLogLevelInfo), SystemLogLevel: new(api.SystemLogLevelInfo),
	}
	if diff := cmp.Diff(want, json.LoggingConfig); diff != "" {
		t.Errorf("logging is replaced as a whole: %s", diff)
	}
	text := update(api.UpdateFunctionConfigurationInput{LoggingConfig: &api.LoggingConfig{}})
	if diff := cmp.Diff(&api.LoggingConfig{LogFormat: new(api.LogFormatText), LogGroup: new("/aws/lambda/f")}, text.LoggingConfig); diff != "" {
		t.Errorf("logging without members: %s", diff)
	}
}
