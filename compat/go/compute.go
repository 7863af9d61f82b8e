package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gwt "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lt "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func makeFunction(ctx context.Context, code string) (*lambda.Client, *string, error) {
	i, role := iam.NewFromConfig(sdk()), aws.String(unique("role"))
	made, err := i.CreateRole(ctx, &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: trust(object{"Service": "lambda.amazonaws.com"})})
	if err != nil {
		return nil, nil, err
	}
	if _, err := i.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("logs"), PolicyDocument: allow("logs:*", "*")}); err != nil {
		return nil, nil, err
	}
	c, name := lambda.NewFromConfig(sdk()), aws.String(unique("function"))
	_, err = c.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: lt.RuntimePython311, Handler: aws.String("main.handler"), Role: made.Role.Arn,
		Code: &lt.FunctionCode{ZipFile: zipped("main.py", code)},
	})
	if err != nil {
		return nil, nil, err
	}
	wait := lambda.NewFunctionActiveV2Waiter(c, func(o *lambda.FunctionActiveV2WaiterOptions) { o.MinDelay, o.MaxDelay = pollEvery, time.Second })
	return c, name, wait.Wait(ctx, &lambda.GetFunctionInput{FunctionName: name}, patience)
}

func lambdaFunction(ctx context.Context) error {
	c, name, err := makeFunction(ctx, "def handler(event, context):\n    print('seen', event['name'])\n    if event['name'] == 'nobody': raise KeyError('nobody')\n    return 'hello ' + event['name']\n")
	if err != nil {
		return err
	}
	good, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"name":"ada"}`)})
	if err != nil {
		return err
	}
	bad, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"name":"nobody"}`)})
	if err != nil {
		return err
	}
	var shape struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(bad.Payload, &shape); err != nil {
		return err
	}
	_, lost := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(unique("none"))})
	logs := cloudwatchlogs.NewFromConfig(sdk())
	err = until(ctx, "the line in the log", func() (bool, error) {
		out, err := logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + *name), FilterPattern: aws.String(`"seen ada"`)})
		var absent *cwl.ResourceNotFoundException
		if errors.As(err, &absent) {
			return false, nil
		}
		return err == nil && len(out.Events) == 1, err
	})
	return errors.Join(err, equal(string(good.Payload), `"hello ada"`), equal(aws.ToString(bad.FunctionError), "Unhandled"), equal(shape.ErrorType, "KeyError"), refused(lost, "ResourceNotFoundException", 404))
}

// method is an API with one method on its root.
type method struct {
	c              *apigateway.Client
	api, root, any *string
}

func makeMethod(ctx context.Context) (*method, error) {
	m := &method{c: apigateway.NewFromConfig(sdk()), any: aws.String("ANY")}
	made, err := m.c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String(unique("api"))})
	if err != nil {
		return nil, err
	}
	m.api, m.root = made.Id, made.RootResourceId
	_, err = m.c.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: m.api, ResourceId: m.root, HttpMethod: m.any, AuthorizationType: aws.String("NONE")})
	return m, err
}

// call deploys the API and calls it.
func (m *method) call(ctx context.Context, path string) (int, string, error) {
	if _, err := m.c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: m.api, StageName: aws.String("v1")}); err != nil {
		return 0, "", err
	}
	return fetch(ctx, endpoint()+"/v1"+path, *m.api+".execute-api."+region+".amazonaws.com")
}

func gatewayMock(ctx context.Context) error {
	m, err := makeMethod(ctx)
	if err != nil {
		return err
	}
	_, err = m.c.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: m.api, ResourceId: m.root, HttpMethod: m.any, Type: gwt.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}})
	if err != nil {
		return err
	}
	ok := aws.String("200")
	if _, err := m.c.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: m.api, ResourceId: m.root, HttpMethod: m.any, StatusCode: ok}); err != nil {
		return err
	}
	_, err = m.c.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: m.api, ResourceId: m.root, HttpMethod: m.any, StatusCode: ok, ResponseTemplates: map[string]string{"application/json": `{"path": "$context.resourcePath"}`}})
	if err != nil {
		return err
	}
	status, text, err := m.call(ctx, "/")
	if err != nil {
		return err
	}
	_, lost := m.c.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: aws.String("nosuchapi0")})
	return errors.Join(equal(status, 200), equal(text, `{"path": "/"}`), refused(lost, "NotFoundException", 404))
}

func gatewayFunction(ctx context.Context) error {
	l, name, err := makeFunction(ctx, "def handler(event, context):\n    return {'statusCode': 200, 'body': event['httpMethod'] + ' ' + event['path']}\n")
	if err != nil {
		return err
	}
	m, err := makeMethod(ctx)
	if err != nil {
		return err
	}
	uri := "arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/arn:aws:lambda:" + region + ":" + account + ":function:" + *name + "/invocations"
	_, err = m.c.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: m.api, ResourceId: m.root, HttpMethod: m.any, Type: gwt.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: &uri})
	if err != nil {
		return err
	}
	_, err = l.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: name, StatementId: aws.String("gw"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")})
	if err != nil {
		return err
	}
	status, text, err := m.call(ctx, "/")
	return errors.Join(err, equal(status, 200), equal(text, "GET /"))
}
