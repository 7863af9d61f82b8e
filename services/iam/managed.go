package iam

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// grant is one statement of an AWS managed policy: actions on resources ("*"
// where there are none).
type grant struct {
	actions   []string
	resources []string
}

// awsPolicies are AWS's managed policies that serverless applications attach,
// by ARN suffix. The facts are from the AWS managed policy reference; actions
// of services that moln does not have are kept, they allow nothing here.
var awsPolicies = map[string][]grant{
	"AdministratorAccess": {{actions: []string{"*"}}},
	"PowerUserAccess": {{actions: []string{
		"apigateway:*", "cloudformation:*", "cloudwatch:*", "cognito-identity:*", "cognito-idp:*", "dynamodb:*", "ecr:*",
		"events:*", "kms:*", "lambda:*", "logs:*", "s3:*", "scheduler:*", "secretsmanager:*", "ses:*", "sns:*", "sqs:*",
		"ssm:*", "states:*", "execute-api:*", "xray:*", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles",
	}}},
	"IAMFullAccess":                            {{actions: []string{"iam:*"}}},
	"IAMReadOnlyAccess":                        {{actions: []string{"iam:Get*", "iam:List*", "iam:Generate*", "iam:Simulate*"}}},
	"AmazonS3FullAccess":                       {{actions: []string{"s3:*", "s3-object-lambda:*"}}},
	"AmazonS3ReadOnlyAccess":                   {{actions: []string{"s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"}}},
	"AmazonDynamoDBFullAccess":                 {{actions: []string{"dynamodb:*", "dax:*"}}},
	"AmazonDynamoDBFullAccess_v2":              {{actions: []string{"dynamodb:*"}}},
	"AmazonDynamoDBReadOnlyAccess":             {{actions: []string{"dynamodb:BatchGetItem", "dynamodb:Describe*", "dynamodb:List*", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQLSelect"}}},
	"AmazonSQSFullAccess":                      {{actions: []string{"sqs:*"}}},
	"AmazonSNSFullAccess":                      {{actions: []string{"sns:*"}}},
	"AmazonEventBridgeFullAccess":              {{actions: []string{"events:*", "schemas:*", "scheduler:*"}}},
	"AWSStepFunctionsFullAccess":               {{actions: []string{"states:*"}}},
	"AmazonCognitoPowerUser":                   {{actions: []string{"cognito-identity:*", "cognito-idp:*"}}},
	"AmazonCognitoReadOnly":                    {{actions: []string{"cognito-identity:Describe*", "cognito-identity:Get*", "cognito-identity:List*", "cognito-idp:Describe*", "cognito-idp:AdminGet*", "cognito-idp:AdminList*", "cognito-idp:List*", "cognito-idp:Get*"}}},
	"AmazonAPIGatewayAdministrator":            {{actions: []string{"apigateway:*"}, resources: []string{"arn:aws:apigateway:*::/*"}}},
	"AmazonAPIGatewayInvokeFullAccess":         {{actions: []string{"execute-api:Invoke", "execute-api:ManageConnections"}, resources: []string{"arn:aws:execute-api:*:*:*"}}},
	"AWSLambda_FullAccess":                     {{actions: []string{"lambda:*", "logs:DescribeLogGroups", "logs:FilterLogEvents", "iam:GetPolicy", "iam:GetRole", "iam:GetRolePolicy", "iam:ListRoles", "iam:PassRole"}}},
	"AWSLambda_ReadOnlyAccess":                 {{actions: []string{"lambda:Get*", "lambda:List*", "logs:DescribeLogGroups", "logs:FilterLogEvents"}}},
	"CloudWatchLogsFullAccess":                 {{actions: []string{"logs:*"}}},
	"CloudWatchFullAccess":                     {{actions: []string{"cloudwatch:*", "logs:*"}}},
	"AmazonSSMReadOnlyAccess":                  {{actions: []string{"ssm:Describe*", "ssm:Get*", "ssm:List*"}}},
	"AmazonSSMFullAccess":                      {{actions: []string{"ssm:*"}}},
	"SecretsManagerReadWrite":                  {{actions: []string{"secretsmanager:*"}}},
	"ReadOnlyAccess":                           {{actions: []string{"apigateway:GET", "cloudformation:Describe*", "cloudformation:Get*", "cloudformation:List*", "cognito-identity:Describe*", "cognito-identity:List*", "cognito-idp:Describe*", "cognito-idp:List*", "dynamodb:BatchGet*", "dynamodb:Describe*", "dynamodb:Get*", "dynamodb:List*", "dynamodb:Query", "dynamodb:Scan", "iam:Get*", "iam:List*", "lambda:Get*", "lambda:List*", "logs:Describe*", "logs:FilterLogEvents", "logs:Get*", "s3:Get*", "s3:List*", "sts:GetCallerIdentity"}}},
	"service-role/AWSLambdaBasicExecutionRole": {{actions: []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}}},
	"service-role/AWSLambdaDynamoDBExecutionRole": {{actions: []string{
		"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	}}},
	"service-role/AWSLambdaSQSQueueExecutionRole": {{actions: []string{
		"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	}}},
	"service-role/AWSLambdaKinesisExecutionRole": {{actions: []string{
		"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator",
		"kinesis:ListShards", "kinesis:ListStreams", "kinesis:SubscribeToShard",
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	}}},
	"service-role/AWSLambdaVPCAccessExecutionRole": {{actions: []string{
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
		"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
		"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	}}},
	"service-role/AWSLambdaRole": {{actions: []string{"lambda:InvokeFunction"}}},
	"service-role/AmazonAPIGatewayPushToCloudWatchLogs": {{actions: []string{
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
		"logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents",
	}}},
	"AWSXRayDaemonWriteAccess": {{actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"}}},
	"AWSXrayWriteOnlyAccess":   {{actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"}}},
}

const awsPolicyARN = "arn:aws:iam::aws:policy/"

// awsManaged finds one of AWS's policies by ARN.
func awsManaged(policyARN string) (managed, bool) {
	suffix, ok := strings.CutPrefix(policyARN, awsPolicyARN)
	if !ok {
		return managed{}, false
	}
	grants, ok := awsPolicies[suffix]
	if !ok {
		return managed{}, false
	}
	i := strings.LastIndexByte(suffix, '/')
	created := time.Date(2015, 4, 9, 15, 3, 43, 0, time.UTC)
	return managed{
		Name: suffix[i+1:], Path: "/" + suffix[:i+1], ID: "ANPA" + idOf(suffix), Created: created, Updated: created, Default: "v1",
		Versions: []version{{ID: "v1", Document: documentOf(grants), Created: created}}, aws: true,
	}, true
}

func allAWSManaged() []managed {
	var out []managed
	for _, suffix := range slices.Sorted(maps.Keys(awsPolicies)) {
		m, _ := awsManaged(awsPolicyARN + suffix)
		out = append(out, m)
	}
	return out
}

// idOf makes the same id for the same policy every time.
func idOf(name string) string {
	const alphabet, length = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 17
	h := uint64(14695981039346656037) // FNV-1a
	out := make([]byte, length)
	for i := range out {
		for _, c := range []byte(name) {
			h = (h ^ uint64(c)) * 1099511628211
		}
		out[i] = alphabet[h>>32%32]
	}
	return string(out)
}

func documentOf(grants []grant) string {
	var b strings.Builder
	b.WriteString(`{"Version":"2012-10-17","Statement":[`)
	for i, g := range grants {
		if i > 0 {
			b.WriteByte(',')
		}
		resources := g.resources
		if len(resources) == 0 {
			resources = []string{"*"}
		}
		b.WriteString(`{"Effect":"Allow","Action":["` + strings.Join(g.actions, `","`) + `"],"Resource":["` + strings.Join(resources, `","`) + `"]}`)
	}
	b.WriteString(`]}`)
	return b.String()
}
