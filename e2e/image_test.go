package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// imageMaker makes OCI layouts of one program.
type imageMaker struct {
	t       *testing.T
	program []byte
}

func newImageMaker(t *testing.T) *imageMaker {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, "./testdata/imagefn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return &imageMaker{t, data}
}

// layout writes a layout whose image has the program and a file with text in it;
// extension adds the program as an extension. Its lower layer has another text.
func (m *imageMaker) layout(text string, extension bool) string {
	m.t.Helper()
	lower := map[string][]byte{"bin/program": m.program, "data.txt": []byte("below"), "gone.txt": []byte("x")}
	upper := map[string][]byte{"data.txt": []byte(text), ".wh.gone.txt": nil}
	if extension {
		upper["opt/extensions/listener"] = m.program
	}
	dir := m.t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	add := func(mediaType string, data []byte) fields {
		sum := sha256.Sum256(data)
		if err := os.WriteFile(filepath.Join(dir, "blobs/sha256", hex.EncodeToString(sum[:])), data, 0o600); err != nil {
			m.t.Fatal(err)
		}
		return fields{"mediaType": mediaType, "digest": "sha256:" + hex.EncodeToString(sum[:]), "size": len(data)}
	}
	document := func(mediaType string, v any) fields {
		raw, err := json.Marshal(v)
		if err != nil {
			m.t.Fatal(err)
		}
		return add(mediaType, raw)
	}
	layers := []fields{add("application/vnd.oci.image.layer.v1.tar", m.tar(lower)), add("application/vnd.oci.image.layer.v1.tar", m.tar(upper))}
	config := document("application/vnd.oci.image.config.v1+json", fields{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": fields{"Entrypoint": []string{"program"}, "Cmd": []string{"app.handler"}, "Env": []string{"PATH=/bin", "FROM_IMAGE=yes"}, "WorkingDir": "/bin"},
		"rootfs": fields{"type": "layers", "diff_ids": []any{layers[0]["digest"], layers[1]["digest"]}},
	})
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest := document(manifestType, fields{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers})
	manifest["platform"] = fields{"os": "linux", "architecture": runtime.GOARCH}
	const indexType = "application/vnd.oci.image.index.v1+json"
	index := document(indexType, fields{"schemaVersion": 2, "mediaType": indexType, "manifests": []fields{manifest}})
	top, err := json.Marshal(fields{"schemaVersion": 2, "manifests": []fields{index}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), top, 0o600)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return dir
}

func (m *imageMaker) tar(files map[string][]byte) []byte {
	m.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o755})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		m.t.Fatal(err)
	}
	return b.Bytes()
}

// load pushes a layout with moln's own command and returns the image's URI.
func load(t *testing.T, p *process, dir, name string) string {
	t.Helper()
	cmd := exec.Command(needBinary(t), "image", "load", "--endpoint", p.endpoint, dir, name)
	cmd.Env = cleanEnvironment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// imageFunction is what testdata/imagefn tells.
type imageFunction struct {
	Args, Dir, Event, Data, Image             string
	RootWritten, TmpWritten, Usr, Shadow      bool
	ErrorType, ErrorMessage, functionErr, log string
}

// invokeImage invokes a function and reads what it tells.
func (c *client) invokeImage(t *testing.T, name string) imageFunction {
	t.Helper()
	a, err := c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions/"+name+"/invocations", http.Header{"X-Amz-Log-Type": {"Tail"}}, []byte(`{"a":1}`))
	if err == nil {
		err = a.err()
	}
	var out imageFunction
	if err == nil {
		err = json.Unmarshal(a.body, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	tail, _ := base64.StdEncoding.DecodeString(a.header.Get("X-Amz-Log-Result"))
	out.functionErr, out.log = a.header.Get("X-Amz-Function-Error"), string(tail)
	return out
}

// TestImageFunctions takes a function made of a container image through its life:
// pushed, created, invoked in its own root, kept when its tag moves, updated, and
// there again after moln was killed, with its unpacked image gone.
func TestImageFunctions(t *testing.T) {
	maker := newImageMaker(t)
	data := t.TempDir()
	p := start(t, "--data-dir", data)
	c := newClient(p.endpoint)
	uri := load(t, p, maker.layout("one", false), "team/app:latest")
	c.lambdaRole(t, "image")
	c.lambda(t, 201, http.MethodPost, "/2015-03-31/functions", fields{
		"FunctionName": "f", "PackageType": "Image", "Code": fields{"ImageUri": uri}, "Role": "arn:aws:iam::" + accountID + ":role/image",
	})
	want := imageFunction{Args: "app.handler", Dir: "/bin", Event: `{"a":1}`, Data: "one", Image: "yes", TmpWritten: true}
	check := func(c *client, name string) {
		t.Helper()
		got := c.invokeImage(t, name)
		got.log = ""
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	check(c, "f")
	check(c, "f")

	load(t, p, maker.layout("two", true), "team/app:latest")
	c.lambda(t, 200, http.MethodPut, "/2015-03-31/functions/f/configuration", fields{"ImageConfig": fields{"Command": []string{"other", "x"}, "WorkingDirectory": "/tmp"}})
	want.Args, want.Dir = "other x", "/tmp"
	check(c, "f") // the tag has moved, the function has not
	got := c.lambda(t, 200, http.MethodPut, "/2015-03-31/functions/f/code", fields{"ImageUri": uri, "Publish": true})
	if got["Version"] != "1" || got["PackageType"] != "Image" || got["Runtime"] != nil {
		t.Errorf("published %v", got)
	}
	want.Data = "two"
	check(c, "f:1")
	if log := c.invokeImage(t, "f:1").log; !strings.Contains(log, "the extension heard of an event") {
		t.Errorf("log %s", log)
	}

	p.kill()
	unpacked, err := filepath.Glob(filepath.Join(data, "work", "lambda", "images", "*"))
	if err != nil || len(unpacked) != 2 {
		t.Fatalf("unpacked are %v, %v", unpacked, err)
	}
	for _, dir := range unpacked {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	p = start(t, "--data-dir", data)
	c = newClient(p.endpoint)
	check(c, "f:1")
	check(c, "f")

	c.lambda(t, 200, http.MethodPut, "/2015-03-31/functions/f/configuration", fields{"ImageConfig": fields{"EntryPoint": []string{"nothing"}}})
	broken := c.invokeImage(t, "f")
	if broken.ErrorType != "Runtime.InvalidEntrypoint" || broken.functionErr != "Unhandled" || !strings.Contains(broken.ErrorMessage, "entry point could not be started") {
		t.Errorf("broken %+v", broken)
	}
	c.lambda(t, 400, http.MethodPost, "/2015-03-31/functions", fields{
		"FunctionName": "g", "PackageType": "Image", "Code": fields{"ImageUri": uri + "-none"}, "Role": "arn:aws:iam::" + accountID + ":role/image",
	})
	c.lambda(t, 204, http.MethodDelete, "/2015-03-31/functions/f", nil)
	templates(t, c, p.endpoint)
}

// templates makes a repository and a function of an image from a template, and
// deletes them.
func templates(t *testing.T, c *client, endpoint string) {
	t.Helper()
	host := strings.TrimPrefix(endpoint, "http://")
	c.stack(t, "images", "CREATE_COMPLETE", fields{"Resources": fields{
		"Own": fields{"Type": "AWS::ECR::Repository", "Properties": fields{
			"RepositoryName": "own", "EmptyOnDelete": true, "ImageTagMutability": "IMMUTABLE", "ImageScanningConfiguration": fields{"ScanOnPush": false},
			"LifecyclePolicy":      fields{"LifecyclePolicyText": `{"rules":[{"rulePriority":1,"description":"Untagged images","selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countNumber":365,"countUnit":"days"},"action":{"type":"expire"}}]}`},
			"RepositoryPolicyText": fields{"Version": "2012-10-17", "Statement": []fields{{"Effect": "Allow", "Principal": fields{"Service": "lambda.amazonaws.com"}, "Action": []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}}}},
			"Tags":                 []fields{{"Key": "a", "Value": "b"}},
		}},
		"Function": fields{"Type": "AWS::Lambda::Function", "Properties": fields{
			"FunctionName": "from-template", "PackageType": "Image", "Role": "arn:aws:iam::" + accountID + ":role/image",
			"Code": fields{"ImageUri": host + "/team/app:latest"}, "ImageConfig": fields{"Command": []string{"from", "template"}},
		}},
	}})
	if got := c.invokeImage(t, "from-template"); got.Args != "from template" || got.Data != "two" {
		t.Errorf("from a template: %+v", got)
	}
	a, err := c.form(t.Context(), "cloudformation", url.Values{"Action": {"DeleteStack"}, "Version": {"2010-05-15"}, "StackName": {"images"}}.Encode())
	if err != nil || a.err() != nil {
		t.Fatal(err, a.err())
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		var out struct {
			Repositories []struct{ RepositoryName string }
		}
		if a, err := c.target(t.Context(), "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", fields{}, &out); err != nil || a.err() != nil {
			t.Fatal(err, a.err())
		}
		if len(out.Repositories) == 1 && out.Repositories[0].RepositoryName == "team/app" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", out)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// lambda makes a request to Lambda that must be answered with the status.
func (c *client) lambda(t *testing.T, status int, method, path string, in any) map[string]any {
	t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	}
	a, err := c.do(t.Context(), "lambda", method, path, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	out := map[string]any{}
	_ = json.Unmarshal(a.body, &out)
	return out
}

// stack creates a stack and waits until it has the status.
func (c *client) stack(t *testing.T, name, status string, template any) {
	t.Helper()
	text, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.form(t.Context(), "cloudformation", url.Values{"Action": {"CreateStack"}, "Version": {"2010-05-15"}, "StackName": {name}, "TemplateBody": {string(text)}, "Capabilities.member.1": {"CAPABILITY_IAM"}}.Encode())
	if err != nil || a.err() != nil {
		t.Fatal(err, a.err())
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		a, err := c.form(t.Context(), "cloudformation", url.Values{"Action": {"DescribeStackEvents"}, "Version": {"2010-05-15"}, "StackName": {name}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if stackDone(string(a.body), name, status) {
			return
		}
		if time.Now().After(deadline) || strings.Contains(string(a.body), "ROLLBACK") {
			t.Fatal(fmt.Errorf("%s did not become %s: %s", name, status, a.body))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// stackDone says that one event is the stack's own with the status.
func stackDone(events, name, status string) bool {
	for _, event := range strings.Split(events, "<member>") {
		if strings.Contains(event, "<LogicalResourceId>"+name+"</LogicalResourceId>") && strings.Contains(event, "<ResourceStatus>"+status+"</ResourceStatus>") {
			return true
		}
	}
	return false
}
