// Command counter is a function on a custom runtime: it adds one to the item in
// $TABLE that is called as its event is, or as the event that its event is a
// record of, and fails where the event says so.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"moln.dev/moln/aws/sigv4"
)

type event struct {
	ID             string
	Fail           bool
	RequestPayload *event
}

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		resp, err := http.Get(api + "next")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		id := resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
		verb, answer := "/response", `"counted"`
		if err == nil {
			err = handle(body)
		}
		if err != nil {
			verb, answer = "/error", fmt.Sprintf(`{"errorType":"Error","errorMessage":%q}`, err)
		}
		done, err := http.Post(api+id+verb, "application/json", bytes.NewReader([]byte(answer)))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		done.Body.Close()
	}
}

func handle(body []byte) error {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	id := e.ID
	if e.RequestPayload != nil {
		id = e.RequestPayload.ID
	}
	if err := count(id); err != nil {
		return err
	}
	if e.Fail {
		return fmt.Errorf("event %s asks for it", id)
	}
	return nil
}

// count adds one to an item.
func count(id string) error {
	body, err := json.Marshal(map[string]any{
		"TableName": os.Getenv("TABLE"), "Key": map[string]any{"id": map[string]any{"S": id}}, "UpdateExpression": "ADD n :one",
		"ExpressionAttributeValues": map[string]any{":one": map[string]any{"N": "1"}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, os.Getenv("AWS_ENDPOINT_URL"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.UpdateItem")
	sum := sha256.Sum256(body)
	sigv4.Sign(req, sigv4.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}, os.Getenv("AWS_REGION"), "dynamodb", hex.EncodeToString(sum[:]), time.Now())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}
