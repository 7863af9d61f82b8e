// Command go is a smoke of every service with AWS SDK for Go v2, against the
// moln at AWS_ENDPOINT_URL. It prints a line for each test and the count that
// compat/run reads; arguments choose tests by parts of their names.
//
// It is a module of its own, so that moln itself does not depend on the SDK.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
)

const (
	region      = "us-east-1"
	account     = "000000000000"
	password    = "Correct-Horse-9"
	testTimeout = 90 * time.Second
	patience    = 30 * time.Second
	pollEvery   = 100 * time.Millisecond
)

// testCase is one test; a test fails by returning an error.
type testCase struct {
	name string
	run  func(context.Context) error
}

func main() {
	tests := []testCase{
		{"s3 objects", s3Objects}, {"s3 multipart", s3Multipart}, {"s3 versions, links, website", s3Site},
		{"dynamodb items", dynamoItems}, {"dynamodb query, scan, batch", dynamoQueries},
		{"lambda", lambdaFunction},
		{"apigateway mock", gatewayMock}, {"apigateway function", gatewayFunction},
		{"cognito user pool", cognitoPool}, {"cognito identity pool", cognitoIdentityPool},
		{"iam and sts", iamAndSTS},
		{"cloudformation", stackLife}, {"logs", logEvents},
	}
	passed, failed := 0, 0
	for _, tc := range tests {
		if !chosen(tc.name, os.Args[1:]) {
			continue
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		err := guarded(ctx, tc.run)
		cancel()
		if err != nil {
			failed++
			fmt.Printf("FAIL %s: %s\n", tc.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		passed++
		fmt.Printf("ok   %s (%.2f s)\n", tc.name, time.Since(began).Seconds())
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}

func chosen(name string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(name, p) {
			return true
		}
	}
	return len(parts) == 0
}

// guarded turns the nil dereference of a missing answer into a failure.
func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f(ctx)
}

// sdk is the configuration with the root key, or with the key given.
func sdk(key ...string) aws.Config {
	if key == nil {
		key = []string{"test", "test", ""}
	}
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(region), config.WithRetryMaxAttempts(1),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key[0], key[1], append(key, "")[2])))
	if err != nil {
		panic(err)
	}
	return cfg
}

func unique(prefix string) string {
	b := make([]byte, 5)
	rand.Read(b)
	return prefix + "-" + hex.EncodeToString(b)
}

// refused wants err to be an AWS error of that code and status.
func refused(err error, code string, status int) error {
	var api smithy.APIError
	var response *http.ResponseError
	switch {
	case err == nil:
		return fmt.Errorf("it succeeded; want %s", code)
	case !errors.As(err, &api) || !errors.As(err, &response):
		return fmt.Errorf("%w; want %s", err, code)
	case api.ErrorCode() != code || response.HTTPStatusCode() != status:
		return fmt.Errorf("got %s %d (%s), want %s %d", api.ErrorCode(), response.HTTPStatusCode(), api.ErrorMessage(), code, status)
	}
	return nil
}

// equal compares as Go prints.
func equal(got, want any) error {
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		return fmt.Errorf("got %s, want %s", g, w)
	}
	return nil
}

// until waits for look to say yes.
func until(ctx context.Context, what string, look func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if ok, err := look(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("still not: %s", what)
		case <-time.After(pollEvery):
		}
	}
}

func zipped(name, text string) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return out.Bytes()
}

type object = map[string]any

func asJSON(v any) *string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return aws.String(string(text))
}

func allow(action any, resource string) *string {
	return asJSON(object{"Version": "2012-10-17", "Statement": []object{{"Effect": "Allow", "Action": action, "Resource": resource}}})
}

func trust(principal object) *string {
	return asJSON(object{"Version": "2012-10-17", "Statement": []object{{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}}})
}
