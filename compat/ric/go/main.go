// Command bootstrap is the function that every runtime interface client serves,
// on aws-lambda-go.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string          `json:"do"`
	Value json.RawMessage `json:"value"`
	Bytes int             `json:"bytes"`
}

// Bad is an error of the function's own.
type Bad struct{ message string }

func (b Bad) Error() string { return b.message }

var calls int

func handle(ctx context.Context, e event) (any, error) {
	calls++
	switch e.Do {
	case "echo":
		return e.Value, nil
	case "count":
		return calls, nil
	case "size":
		return len(e.Value) - len(`""`), nil
	case "big":
		return strings.Repeat("x", e.Bytes), nil
	case "log":
		var text string
		err := json.Unmarshal(e.Value, &text)
		fmt.Println("logged " + text)
		return nil, err
	case "handled":
		return nil, Bad{"told to fail"}
	case "thrown":
		panic("wrong")
	case "exit":
		os.Exit(3)
	case "sleep":
		time.Sleep(time.Minute)
	}
	return told(ctx), nil
}

func told(ctx context.Context) map[string]any {
	c, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	var custom any
	if k, ok := c.ClientContext.Custom["k"]; ok {
		custom = k
	}
	return map[string]any{
		"request": c.AwsRequestID, "name": lambdacontext.FunctionName, "version": lambdacontext.FunctionVersion, "arn": c.InvokedFunctionArn,
		"memory": lambdacontext.MemoryLimitInMB, "group": lambdacontext.LogGroupName, "stream": lambdacontext.LogStreamName,
		"left": time.Until(deadline).Milliseconds(), "custom": custom, "region": os.Getenv("AWS_REGION"), "own": os.Getenv("OWN"),
		"trace": os.Getenv("_X_AMZN_TRACE_ID"),
	}
}

func main() { lambda.Start(handle) }
