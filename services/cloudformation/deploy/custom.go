package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/template"
)

// customType is the type that all Custom:: types share.
const customType = "AWS::CloudFormation::CustomResource"

const (
	// customTimeout is how long a custom resource may take to answer.
	customTimeout = time.Hour
	// maxAnswerBytes is AWS's limit of a response object.
	maxAnswerBytes = 4096
	// answerHost begins the host of ResponseURLs. They look like AWS's, since
	// handlers take the host and speak TLS to it.
	answerHost = "cloudformation-custom-resource-response-"
	answerPath = "/_aws/cloudformation-response/"
	// answerPoll is how often an answer is looked for besides being told of it.
	answerPoll = 5 * time.Second
)

// customRequest is what a custom resource's function is given.
type customRequest struct {
	RequestType           string
	ResponseURL           string
	StackID               string `json:"StackId"`
	RequestID             string `json:"RequestId"`
	ResourceType          string
	LogicalResourceID     string `json:"LogicalResourceId"`
	PhysicalResourceID    string `json:"PhysicalResourceId,omitempty"`
	ServiceToken          string `json:",omitempty"`
	ResourceProperties    map[string]any
	OldResourceProperties map[string]any `json:",omitempty"`
}

// customAnswer is what it puts to its ResponseURL.
type customAnswer struct {
	Status, Reason     string
	PhysicalResourceID string `json:"PhysicalResourceId"`
	Data               map[string]any
}

func (e *Engine) customCreate(ctx context.Context, c *service.Call, r *service.Resource) error {
	return e.custom(ctx, c, r, "Create")
}

func (e *Engine) customUpdate(ctx context.Context, c *service.Call, r *service.Resource) error {
	return e.custom(ctx, c, r, "Update")
}

func (e *Engine) customDelete(ctx context.Context, c *service.Call, r *service.Resource) error {
	return e.custom(ctx, c, r, "Delete")
}

func (e *Engine) custom(ctx context.Context, c *service.Call, r *service.Resource, kind string) error {
	properties := *r.Properties.(*map[string]any)
	function, _ := properties["ServiceToken"].(string)
	if !strings.Contains(function, ":lambda:") {
		return failed("Invalid service token: custom resources need the ARN of a function, not %q", function)
	}
	timeout, err := serviceTimeout(properties)
	if err != nil {
		return err
	}
	secret := e.deps.Ident.Hex(32)
	if err := e.store.Expect(ctx, secret); err != nil {
		return err
	}
	defer func() { _ = e.store.Forget(context.WithoutCancel(ctx), secret) }()
	req := customRequest{
		RequestType: kind, ResponseURL: e.answerURL(c.Region, secret), StackID: r.StackID, RequestID: e.deps.Ident.UUID(),
		ResourceType: r.Type, LogicalResourceID: r.LogicalID, PhysicalResourceID: r.PhysicalID,
		ServiceToken: function, ResourceProperties: texts(properties).(map[string]any),
	}
	if old, ok := r.Old.(*map[string]any); ok && old != nil {
		req.OldResourceProperties = texts(*old).(map[string]any)
	}
	payload, err := json.Marshal(req)
	if err != nil {
		return err
	}
	answer, err := e.ask(ctx, c, function, payload, secret, timeout)
	if err != nil {
		return err
	}
	if answer.Status != "SUCCESS" {
		return failed("Received response status [FAILED] from custom resource. Message returned: %s (RequestId: %s)", answer.Reason, req.RequestID)
	}
	if kind == "Delete" {
		return nil
	}
	if answer.PhysicalResourceID == "" {
		return failed("Invalid PhysicalResourceId: it must be a string that is not empty")
	}
	r.PhysicalID, r.Attributes = answer.PhysicalResourceID, answer.Data
	return nil
}

func serviceTimeout(properties map[string]any) (time.Duration, error) {
	v, set := properties["ServiceTimeout"]
	if !set {
		return customTimeout, nil
	}
	text, _ := template.Text(v)
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > int(customTimeout/time.Second) {
		return 0, failed("Invalid ServiceTimeout: %s", template.Display(v))
	}
	return time.Duration(seconds) * time.Second, nil
}

// texts gives every scalar as a string, which is how functions get them.
func texts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = texts(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = texts(item)
		}
		return out
	}
	if s, ok := template.Text(v); ok {
		return s
	}
	return v
}

// ask runs the function and waits for what it puts to its ResponseURL.
func (e *Engine) ask(ctx context.Context, c *service.Call, function string, payload []byte, secret string, timeout time.Duration) (*customAnswer, error) {
	bell, stop := e.store.WatchAnswer(secret)
	defer stop()
	resp, err := e.deps.Functions.Invoke(ctx, functions.Request{
		Caller: c.Caller, Account: c.Account, Region: c.Region, RequestID: c.RequestID, Depth: c.Depth + 1,
		FunctionARN: function, Payload: payload,
	})
	if errors.Is(err, functions.ErrNoRunner) {
		return nil, failed("Custom resources need a server that runs functions")
	}
	if err != nil {
		return nil, err
	}
	deadline := e.deps.Clock.Now().Add(timeout)
	for {
		raw, err := e.store.Answer(ctx, secret)
		if err != nil {
			return nil, err
		}
		if len(raw) > 0 {
			answer := new(customAnswer)
			if json.Unmarshal(raw, answer) != nil {
				return nil, failed("Invalid response: the custom resource answered no JSON object")
			}
			return answer, nil
		}
		// AWS waits out the timeout for a function that threw; nobody will
		// answer, so this says so at once.
		if resp.FunctionError != "" {
			return nil, failed("The custom resource's function failed and did not answer: %s", truncate(string(resp.Payload)))
		}
		left := deadline.Sub(e.deps.Clock.Now())
		if left <= 0 {
			return nil, failed("CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.")
		}
		timer := e.deps.Clock.NewTimer(min(left, answerPoll))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-bell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func truncate(s string) string {
	if len(s) > maxAnswerBytes {
		return s[:maxAnswerBytes]
	}
	return s
}

func (e *Engine) answerURL(region, secret string) string {
	short := strings.ReplaceAll(region, "-", "")
	return fmt.Sprintf("https://%s%s.s3.%s.amazonaws.com%s%s", answerHost, short, region, answerPath, secret)
}

// Answers is the endpoint behind ResponseURLs. The secret in the path is the
// only proof it asks for, as the signature is at AWS.
func (e *Engine) Answers() service.Endpoint {
	return service.Endpoint{
		Name: "custom resource responses",
		Match: func(r *http.Request, host string) bool {
			return strings.HasPrefix(r.URL.Path, answerPath) || strings.HasPrefix(host, answerHost)
		},
		Serve: e.serveAnswer,
	}
}

func (e *Engine) serveAnswer(w http.ResponseWriter, r *http.Request, _ *service.Call) {
	if r.Method != http.MethodPut {
		http.Error(w, "only PUT is answered", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswerBytes))
	if err != nil || len(body) == 0 {
		http.Error(w, "the response object must have 1 to 4096 bytes", http.StatusRequestEntityTooLarge)
		return
	}
	secret := strings.TrimPrefix(r.URL.Path, answerPath)
	ok, err := e.store.PutAnswer(r.Context(), secret, body)
	switch {
	case err != nil:
		e.log().Error("store a custom resource's response", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	case !ok:
		http.Error(w, "this ResponseURL has expired", http.StatusForbidden)
	default:
		w.WriteHeader(http.StatusOK)
	}
}
