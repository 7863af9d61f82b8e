package server

import (
	"moln.dev/moln/api/apigatewayv2"
	"moln.dev/moln/api/cloudwatch"
	"moln.dev/moln/api/scheduler"
	"moln.dev/moln/api/secretsmanager"
	"moln.dev/moln/api/sesv2"
	"moln.dev/moln/api/ssm"
	"moln.dev/moln/api/stepfunctions"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// absent are the services whose models moln knows and which it does not have:
// a request to one gets a plain error in its own protocol instead of another
// service's.
func absent() []service.Definition {
	list := []struct {
		schema *smithy.Service
		ops    []smithy.Descriptor
	}{
		{&apigatewayv2.Schema, apigatewayv2.Operations()},
		{&cloudwatch.Schema, cloudwatch.Operations()},
		{&scheduler.Schema, scheduler.Operations()},
		{&secretsmanager.Schema, secretsmanager.Operations()},
		{&sesv2.Schema, sesv2.Operations()},
		{&ssm.Schema, ssm.Operations()},
		{&stepfunctions.Schema, stepfunctions.Operations()},
	}
	var out []service.Definition
	for _, s := range list {
		table := service.Table[struct{}]{service.None[struct{}]("moln does not have this service yet", s.ops...)}
		out = append(out, service.Definition{Schema: s.schema, Operations: table.Bind(struct{}{})})
	}
	return out
}
