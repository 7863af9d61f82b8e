package lambda

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/run"
)

// layer publishes a version and returns its ARN.
func (w *world) layer(name string, files ...string) string {
	w.t.Helper()
	return *must(w, api.PublishLayerVersion, &api.PublishLayerVersionInput{
		LayerName: &name, Content: &api.LayerVersionContentInput{ZipFile: zipOf(w.t, files...)},
	}).LayerVersionArn
}

// stranger is a root user of another account.
func (w *world) stranger() *service.Call {
	c := w.call().As(identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: "999999999999", ARN: "arn:aws:iam::999999999999:root"}})
	c.Account = "999999999999"
	return c
}

func wantFault[T any](t *testing.T, _ T, err error, code, text string) {
	t.Helper()
	if f := fault.As(err); f == nil || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s %q", err, code, text)
	}
}

func TestLayerVersions(t *testing.T) {
	w := newWorld(t, Options{})
	one := must(w, api.PublishLayerVersion, &api.PublishLayerVersionInput{
		LayerName: new("lib"), Description: new("first"), LicenseInfo: new("MIT"), CompatibleRuntimes: []string{"nodejs20.x"}, CompatibleArchitectures: []string{"arm64"},
		Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "nodejs/a.js", "1")},
	})
	if *one.LayerVersionArn != "arn:aws:lambda:eu-west-1:123456789012:layer:lib:1" || *one.LayerArn != "arn:aws:lambda:eu-west-1:123456789012:layer:lib" || *one.Version != 1 || *one.Content.CodeSize == 0 {
		t.Errorf("published %+v", one)
	}
	w.layer("lib", "a", "2")
	w.layer("other", "a", "1")
	if got := must(w, api.GetLayerVersionByArn, &api.GetLayerVersionByArnInput{Arn: one.LayerVersionArn}); *got.Description != "first" || *got.LicenseInfo != "MIT" || *got.Content.CodeSha256 != *one.Content.CodeSha256 {
		t.Errorf("by ARN %+v", got)
	}
	list := must(w, api.ListLayerVersions, &api.ListLayerVersionsInput{LayerName: new("lib"), MaxItems: new(int32(1))})
	if len(list.LayerVersions) != 1 || *list.LayerVersions[0].Version != 2 || smithy.Val(list.NextMarker) == "" {
		t.Errorf("versions %+v", list)
	}
	list = must(w, api.ListLayerVersions, &api.ListLayerVersionsInput{LayerName: new("lib"), Marker: list.NextMarker})
	if len(list.LayerVersions) != 1 || *list.LayerVersions[0].Version != 1 || list.NextMarker != nil {
		t.Errorf("versions %+v", list)
	}
	if l := must(w, api.ListLayers, &api.ListLayersInput{CompatibleRuntime: new("nodejs20.x"), CompatibleArchitecture: new("arm64")}); len(l.Layers) != 1 || *l.Layers[0].LatestMatchingVersion.Version != 1 {
		t.Errorf("layers %+v", l)
	}
	first := must(w, api.ListLayers, &api.ListLayersInput{MaxItems: new(int32(1))})
	if rest := must(w, api.ListLayers, &api.ListLayersInput{Marker: first.NextMarker}); len(rest.Layers) != 1 || *rest.Layers[0].LayerName != "other" {
		t.Errorf("layers %+v", rest)
	}
	for range 2 {
		must(w, api.DeleteLayerVersion, &api.DeleteLayerVersionInput{LayerName: new("lib"), VersionNumber: new(int64(2))})
	}
	if next := w.layer("lib", "a", "3"); !strings.HasSuffix(next, ":3") {
		t.Errorf("a number came twice: %s", next)
	}
	out, err := do(w, api.GetLayerVersion, &api.GetLayerVersionInput{LayerName: new("lib"), VersionNumber: new(int64(2))})
	wantFault(t, out, err, "ResourceNotFoundException", "The resource you requested does not exist.")
	out, err = do(w, api.GetLayerVersion, &api.GetLayerVersionInput{LayerName: new("lib"), VersionNumber: new(int64(0))})
	wantFault(t, out, err, "InvalidParameterValueException", "Layer Version Cannot be less than 1")
}

func TestLayerPolicy(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.layer("lib", "a", "1")
	get := &api.GetLayerVersionByArnInput{Arn: &arn}
	out, err := doContext(t.Context(), w, w.stranger(), api.GetLayerVersionByArn, get)
	wantFault(t, out, err, "AccessDeniedException", "lambda:GetLayerVersion")
	in := &api.AddLayerVersionPermissionInput{LayerName: new("lib"), VersionNumber: new(int64(1)), StatementId: new("s"), Action: new("lambda:GetLayerVersion"), Principal: new("999999999999")}
	added := must(w, api.AddLayerVersionPermission, in)
	if want := `{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"lambda:GetLayerVersion","Resource":"` + arn + `"}`; *added.Statement != want {
		t.Errorf("statement %s", *added.Statement)
	}
	again, err := do(w, api.AddLayerVersionPermission, in)
	wantFault(t, again, err, "ResourceConflictException", "already exists")
	if _, err := doContext(t.Context(), w, w.stranger(), api.GetLayerVersionByArn, get); err != nil {
		t.Errorf("permitted, yet %v", err)
	}
	if p := must(w, api.GetLayerVersionPolicy, &api.GetLayerVersionPolicyInput{LayerName: new("lib"), VersionNumber: new(int64(1))}); *p.RevisionId != *added.RevisionId || !strings.Contains(*p.Policy, `"Sid":"s"`) {
		t.Errorf("policy %+v", p)
	}
	stale := &api.RemoveLayerVersionPermissionInput{LayerName: new("lib"), VersionNumber: new(int64(1)), StatementId: new("s"), RevisionId: new("no")}
	gone, err := do(w, api.RemoveLayerVersionPermission, stale)
	wantFault(t, gone, err, "PreconditionFailedException", "GetLayerPolicy")
	stale.RevisionId = nil
	must(w, api.RemoveLayerVersionPermission, stale)
	gone, err = do(w, api.RemoveLayerVersionPermission, stale)
	wantFault(t, gone, err, "ResourceNotFoundException", "No policy is associated")
	in.VersionNumber = new(int64(7))
	again, err = do(w, api.AddLayerVersionPermission, in)
	wantFault(t, again, err, "ResourceNotFoundException", "Layer version "+arn[:len(arn)-1]+"7 does not exist.")
}

const layered = `exports.handler = async () => ({a: require("a"), b: require("b"), bin: require("fs").readdirSync("/opt").sort().join()})`

func TestFunctionLayers(t *testing.T) {
	w := newWorld(t, Options{})
	low := w.layer("low", "nodejs/node_modules/a.js", "module.exports = 'low'", "nodejs/node_modules/b.js", "module.exports = 'low'", "low.txt", "")
	high := w.layer("high", "nodejs/node_modules/b.js", "module.exports = 'high'", "high.txt", "")
	made := w.node("f", layered, func(in *api.CreateFunctionInput) { in.Layers = []string{low, high}; in.Publish = new(true) })
	if len(made.Layers) != 2 || *made.Layers[0].Arn != low || *made.Layers[1].CodeSize == 0 {
		t.Errorf("layers %+v", made.Layers)
	}
	if out, v := w.invoke("f", `{}`); v["a"] != "low" || v["b"] != "high" || v["bin"] != "high.txt,low.txt,nodejs" {
		t.Errorf("answer %s", out.Payload)
	}
	// What a version of a function has, it keeps.
	for _, name := range []string{"low", "high"} {
		must(w, api.DeleteLayerVersion, &api.DeleteLayerVersionInput{LayerName: &name, VersionNumber: new(int64(1))})
	}
	again := must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Timeout: new(int32(5))})
	if len(again.Layers) != 2 {
		t.Errorf("layers went with a change of something else: %+v", again)
	}
	if err := os.RemoveAll(filepath.Join(w.s.packages.Dir, "code")); err != nil {
		t.Fatal(err) // as on a node that has not seen them
	}
	if out, v := w.invoke("f", `{}`); v["b"] != "high" {
		t.Errorf("answer %s", out.Payload)
	}
	changed, err := do(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Layers: []string{low}})
	wantFault(t, changed, err, "InvalidParameterValueException", "Layer version "+low+" does not exist.")
	if cleared := must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Layers: []string{}}); len(cleared.Layers) != 0 {
		t.Errorf("layers %+v", cleared.Layers)
	}
	if out, v := w.invoke("f:1", `{}`); v["b"] != "high" {
		t.Errorf("answer of version 1 %s", out.Payload)
	}
	before := w.unpacked()
	must(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("f")})
	alive, err := w.s.store.Packages(t.Context())
	if err != nil || len(alive) != 0 {
		t.Errorf("%v still named: %v", alive, err)
	}
	if err := w.s.packages.Sweep(alive, run.RealNow().Add(2*time.Hour)); err != nil || w.unpacked() != 0 {
		t.Errorf("%d of %d directories left, %v", w.unpacked(), before, err)
	}
}

func (w *world) unpacked() int {
	dirs, _ := filepath.Glob(filepath.Join(w.s.packages.Dir, "code", "*"))
	return len(dirs)
}

func TestFunctionLayersRefused(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.layer("lib", "a", "1")
	must(w, api.PublishLayerVersion, &api.PublishLayerVersionInput{LayerName: new("lib"), Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "a", "2")}})
	const prefix = "arn:aws:lambda:eu-west-1:123456789012:layer:"
	for _, c := range []struct {
		layers     []string
		code, text string
	}{
		{[]string{prefix + "lib:9"}, "InvalidParameterValueException", "Layer version " + prefix + "lib:9 does not exist."},
		{[]string{arn, prefix + "lib:2"}, "InvalidParameterValueException", "Two different versions of the same layer are not allowed to be referenced in the same function. " + arn + " and " + prefix + "lib:2 are versions of the same layer."},
		{[]string{prefix + "a:1", prefix + "b:1", prefix + "c:1", prefix + "d:1", prefix + "e:1", prefix + "f:1"}, "InvalidParameterValueException", "Cannot reference more than 5 layers."},
		{[]string{strings.Replace(arn, "eu-west-1", "us-east-1", 1)}, "InvalidParameterValueException", "Layers are expected to be in region eu-west-1."},
		{[]string{strings.Replace(arn, "123456789012", "999999999999", 1)}, "AccessDeniedException", "lambda:GetLayerVersion"},
		{[]string{prefix + "lib"}, "ValidationException", "layers"},
	} {
		out, err := do(w, api.CreateFunction, &api.CreateFunctionInput{
			FunctionName: new("f"), Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("index.handler"), Layers: c.layers,
			Code: &api.FunctionCode{ZipFile: zipOf(t, "index.js", "")},
		})
		wantFault(t, out, err, c.code, c.text)
	}
}

func TestLayerResources(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, c := t.Context(), w.call()
	w.objects["bbb/k"] = zipOf(t, "a", "1")
	rt, r := resource(t, "AWS::Lambda::LayerVersion", "L", `{"Content":{"S3Bucket":"bbb","S3Key":"k"},"LayerName":"lib","CompatibleRuntimes":["nodejs20.x"]}`)
	if err := rt.Create(ctx, c, r); err != nil || !strings.HasSuffix(r.PhysicalID, ":layer:lib:1") {
		t.Fatalf("%s, %v", r.PhysicalID, err)
	}
	pt, p := resource(t, "AWS::Lambda::LayerVersionPermission", "P", `{"LayerVersionArn":"`+r.PhysicalID+`","Action":"lambda:GetLayerVersion","Principal":"*"}`)
	if err := pt.Create(ctx, c, p); err != nil {
		t.Fatal(err)
	}
	if _, err := doContext(ctx, w, w.stranger(), api.GetLayerVersionByArn, &api.GetLayerVersionByArnInput{Arn: &r.PhysicalID}); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := pt.Delete(ctx, c, p); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := rt.Delete(ctx, c, r); err != nil {
			t.Error(err)
		}
	}
	if l := must(w, api.ListLayers, &api.ListLayersInput{}); len(l.Layers) != 0 {
		t.Errorf("left %+v", l)
	}
}

func TestOtherMachine(t *testing.T) {
	w := newWorld(t, Options{})
	other, machine := "arm64", byte(183)
	if runtime.GOARCH == "arm64" {
		other, machine = "x86_64", 62
	}
	program := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 11) + string([]byte{machine, 0, 0, 0})
	create := func(files ...string) (*api.FunctionConfiguration, error) {
		return do(w, api.CreateFunction, &api.CreateFunctionInput{
			FunctionName: new("f"), Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("index.handler"), Architectures: []string{other},
			Code: &api.FunctionCode{ZipFile: zipOf(t, files...)},
		})
	}
	out, err := create("index.js", "", "native.node", program)
	wantFault(t, out, err, "InvalidParameterValueException", "moln does not support Architectures ["+other+"] for this code")
	if out, err := create("index.js", "exports.handler = async () => 1"); err != nil || out.Architectures[0] != other {
		t.Fatalf("%+v, %v", out, err)
	}
	arn := w.layer("native", "lib/native.so", program)
	changed, err := do(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Layers: []string{arn}})
	wantFault(t, changed, err, "InvalidParameterValueException", "moln does not support Architectures")
}

// What a layer holds for a version of a language is found by functions that ask
// for that version, whatever runs them.
func TestLayersOfVersions(t *testing.T) {
	w := newWorld(t, Options{})
	const packages = "python/lib/python3.13/site-packages/"
	arn := w.layer("lib", packages+"plain.py", "X = 1", packages+"more.pth", "beside\n", packages+"beside/apart.py", "Y = 2", "python/own.py", "Z = 3",
		"nodejs/node18/node_modules/old.js", "module.exports = 4")
	must(w, api.CreateFunction, &api.CreateFunctionInput{
		FunctionName: new("py"), Runtime: new("python3.13"), Role: new(goodRole), Handler: new("app.main"), Layers: []string{arn},
		Code: &api.FunctionCode{ZipFile: zipOf(t, "app.py", "import plain, apart, own\ndef main(event, context):\n    return {'all': [plain.X, apart.Y, own.Z]}\n")},
	})
	if out, v := w.invoke("py", `{}`); v["all"] == nil {
		t.Errorf("answer %s", out.Payload)
	}
	w.node("js", `exports.handler = async () => ({old: require("old")})`, func(in *api.CreateFunctionInput) {
		in.Runtime, in.Layers = new("nodejs18.x"), []string{arn}
	})
	if out, v := w.invoke("js", `{}`); v["old"] != 4.0 {
		t.Errorf("answer %s", out.Payload)
	}
}
