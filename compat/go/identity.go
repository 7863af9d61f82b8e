package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	cit "github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	idpt "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// member is a user of a pool of its own, who signed up and confirmed.
type member struct {
	c                 *cognitoidentityprovider.Client
	pool, app, email  *string
	idToken, accToken *string
}

func makeMember(ctx context.Context) (*member, error) {
	m := &member{c: cognitoidentityprovider.NewFromConfig(sdk()), email: aws.String(unique("ada") + "@example.com")}
	pool, err := m.c.CreateUserPool(ctx, &cognitoidentityprovider.CreateUserPoolInput{
		PoolName: aws.String(unique("pool")), UsernameAttributes: []idpt.UsernameAttributeType{idpt.UsernameAttributeTypeEmail},
		AutoVerifiedAttributes: []idpt.VerifiedAttributeType{idpt.VerifiedAttributeTypeEmail},
	})
	if err != nil {
		return nil, err
	}
	m.pool = pool.UserPool.Id
	app, err := m.c.CreateUserPoolClient(ctx, &cognitoidentityprovider.CreateUserPoolClientInput{UserPoolId: m.pool, ClientName: aws.String("web"), ExplicitAuthFlows: []idpt.ExplicitAuthFlowsType{idpt.ExplicitAuthFlowsTypeAllowUserPasswordAuth, idpt.ExplicitAuthFlowsTypeAllowRefreshTokenAuth}})
	if err != nil {
		return nil, err
	}
	m.app = app.UserPoolClient.ClientId
	email := []idpt.AttributeType{{Name: aws.String("email"), Value: m.email}}
	if _, err := m.c.SignUp(ctx, &cognitoidentityprovider.SignUpInput{ClientId: m.app, Username: m.email, Password: aws.String(password), UserAttributes: email}); err != nil {
		return nil, err
	}
	code, err := mailedCode(ctx, *m.email)
	if err != nil {
		return nil, err
	}
	if _, err := m.c.ConfirmSignUp(ctx, &cognitoidentityprovider.ConfirmSignUpInput{ClientId: m.app, Username: m.email, ConfirmationCode: &code}); err != nil {
		return nil, err
	}
	out, err := m.signIn(ctx, password)
	if err != nil {
		return nil, err
	}
	m.idToken, m.accToken = out.AuthenticationResult.IdToken, out.AuthenticationResult.AccessToken
	return m, nil
}

func (m *member) signIn(ctx context.Context, password string) (*cognitoidentityprovider.InitiateAuthOutput, error) {
	return m.c.InitiateAuth(ctx, &cognitoidentityprovider.InitiateAuthInput{ClientId: m.app, AuthFlow: idpt.AuthFlowTypeUserPasswordAuth, AuthParameters: map[string]string{"USERNAME": *m.email, "PASSWORD": password}})
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// mailedCode waits for a mail to the address and takes the code from it.
func mailedCode(ctx context.Context, address string) (code string, err error) {
	err = until(ctx, "a mail to "+address, func() (bool, error) {
		_, text, err := fetch(ctx, endpoint()+"/_moln/mailbox.json", "")
		if err != nil {
			return false, err
		}
		var box struct{ Messages []struct{ To, Text string } }
		if err := json.Unmarshal([]byte(text), &box); err != nil {
			return false, fmt.Errorf("the mailbox: %w", err)
		}
		for _, m := range box.Messages {
			if strings.Contains(m.To, address) {
				code = sixDigits.FindString(m.Text)
			}
		}
		return code != "", nil
	})
	return code, err
}

func cognitoPool(ctx context.Context) error {
	m, err := makeMember(ctx)
	if err != nil {
		return err
	}
	user, err := m.c.GetUser(ctx, &cognitoidentityprovider.GetUserInput{AccessToken: m.accToken})
	if err != nil {
		return err
	}
	found := map[string]string{}
	for _, a := range user.UserAttributes {
		found[*a.Name] = *a.Value
	}
	_, wrong := m.signIn(ctx, "Wrong-Horse-9")
	return errors.Join(equal(found["email"], *m.email), equal(found["email_verified"], "true"), refused(wrong, "NotAuthorizedException", 400))
}

func cognitoIdentityPool(ctx context.Context) error {
	m, err := makeMember(ctx)
	if err != nil {
		return err
	}
	c, i := cognitoidentity.NewFromConfig(sdk()), iam.NewFromConfig(sdk())
	provider := "cognito-idp." + region + ".amazonaws.com/" + *m.pool
	pool, err := c.CreateIdentityPool(ctx, &cognitoidentity.CreateIdentityPoolInput{IdentityPoolName: aws.String(unique("ip")), CognitoIdentityProviders: []cit.CognitoIdentityProvider{{ProviderName: &provider, ClientId: m.app}}})
	if err != nil {
		return err
	}
	name := unique("federated")
	role, err := i.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: asJSON(object{"Version": "2012-10-17", "Statement": []object{{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": object{"Federated": "cognito-identity.amazonaws.com"},
		"Condition": object{"StringEquals": object{"cognito-identity.amazonaws.com:aud": *pool.IdentityPoolId}},
	}}})})
	if err != nil {
		return err
	}
	if _, err := c.SetIdentityPoolRoles(ctx, &cognitoidentity.SetIdentityPoolRolesInput{IdentityPoolId: pool.IdentityPoolId, Roles: map[string]string{"authenticated": *role.Role.Arn}}); err != nil {
		return err
	}
	logins := map[string]string{provider: *m.idToken}
	who, err := c.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: pool.IdentityPoolId, Logins: logins})
	if err != nil {
		return err
	}
	got, err := c.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: who.IdentityId, Logins: logins})
	if err != nil {
		return err
	}
	key := sdk(*got.Credentials.AccessKeyId, *got.Credentials.SecretKey, *got.Credentials.SessionToken)
	me, err := sts.NewFromConfig(key).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	_, denied := s3.NewFromConfig(key).ListBuckets(ctx, nil)
	return errors.Join(equal(strings.Contains(*me.Arn, ":assumed-role/"+name+"/"), true), refused(denied, "AccessDenied", 403))
}

func iamAndSTS(ctx context.Context) error {
	i, name := iam.NewFromConfig(sdk()), aws.String(unique("user"))
	user, err := i.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	if err != nil {
		return err
	}
	made, err := i.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	if err != nil {
		return err
	}
	key := sdk(*made.AccessKey.AccessKeyId, *made.AccessKey.SecretAccessKey)
	_, before := s3.NewFromConfig(key).ListBuckets(ctx, nil)
	if _, err := i.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("p"), PolicyDocument: allow("s3:ListAllMyBuckets", "*")}); err != nil {
		return err
	}
	_, after := s3.NewFromConfig(key).ListBuckets(ctx, nil)
	role := aws.String(unique("role"))
	if _, err := i.CreateRole(ctx, &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: trust(object{"AWS": *user.User.Arn})}); err != nil {
		return err
	}
	me, err := sts.NewFromConfig(key).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	got, err := sts.NewFromConfig(key).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + *role), RoleSessionName: aws.String("session")})
	if err != nil {
		return err
	}
	_, lost := i.GetUser(ctx, &iam.GetUserInput{UserName: aws.String(unique("none"))})
	return errors.Join(refused(before, "AccessDenied", 403), after, equal(*me.Arn, *user.User.Arn),
		equal(*got.AssumedRoleUser.Arn, "arn:aws:sts::"+account+":assumed-role/"+*role+"/session"), refused(lost, "NoSuchEntity", 404))
}

func stackLife(ctx context.Context) error {
	c, name := cloudformation.NewFromConfig(sdk()), aws.String(unique("stack"))
	table := object{"BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": []object{{"AttributeName": "id", "AttributeType": "S"}}, "KeySchema": []object{{"AttributeName": "id", "KeyType": "HASH"}}}
	body := asJSON(object{
		"Resources": object{"Bucket": object{"Type": "AWS::S3::Bucket"}, "Table": object{"Type": "AWS::DynamoDB::Table", "Properties": table}},
		"Outputs":   object{"Name": object{"Value": object{"Ref": "Bucket"}}},
	})
	made, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: body})
	if err != nil {
		return err
	}
	done := cloudformation.NewStackCreateCompleteWaiter(c, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = pollEvery, time.Second
	})
	out, err := done.WaitForOutput(ctx, &cloudformation.DescribeStacksInput{StackName: made.StackId}, patience)
	if err != nil {
		return err
	}
	bucket := out.Stacks[0].Outputs[0].OutputValue
	if _, err := s3.NewFromConfig(sdk()).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}); err != nil {
		return err
	}
	gone := cloudformation.NewStackDeleteCompleteWaiter(c, func(o *cloudformation.StackDeleteCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = pollEvery, time.Second
	})
	if err := gone.Wait(ctx, &cloudformation.DescribeStacksInput{StackName: made.StackId}, patience); err != nil {
		return err
	}
	_, lost := s3.NewFromConfig(sdk()).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket})
	return refused(lost, "NotFound", 404)
}

func logEvents(ctx context.Context) error {
	c, group, stream := cloudwatchlogs.NewFromConfig(sdk()), aws.String("/"+unique("group")), aws.String("s")
	if _, err := c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		return err
	}
	if _, err := c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		return err
	}
	events := []cwl.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String("héllo")}}
	if _, err := c.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: events}); err != nil {
		return err
	}
	got, err := c.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true)})
	if err != nil {
		return err
	}
	_, again := c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	return errors.Join(equal(*got.Events[0].Message, "héllo"), refused(again, "ResourceAlreadyExistsException", 400))
}
