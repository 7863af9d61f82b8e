package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// There is one region, so there are no global tables of the version of 2017: that
// can be told. A table that CloudFormation makes as a global one of this region
// alone is a table.

func (s *Service) listGlobalTables(context.Context, *service.Call, *api.ListGlobalTablesInput) (*api.ListGlobalTablesOutput, error) {
	return &api.ListGlobalTablesOutput{GlobalTables: []api.GlobalTable{}}, nil
}

func (s *Service) describeGlobalTable(_ context.Context, _ *service.Call, in *api.DescribeGlobalTableInput) (*api.DescribeGlobalTableOutput, error) {
	return nil, noGlobalTable(in.GlobalTableName)
}

func (s *Service) describeGlobalTableSettings(_ context.Context, _ *service.Call, in *api.DescribeGlobalTableSettingsInput) (*api.DescribeGlobalTableSettingsOutput, error) {
	return nil, noGlobalTable(in.GlobalTableName)
}

func noGlobalTable(name *string) error {
	return api.ErrGlobalTableNotFoundException("Global table not found: Global table with name: '%s' does not exist.", smithy.Val(name))
}

// globalTable is what an operation on a global table is judged on: its ARN has no
// region.
func globalTable(c *service.Call, op *smithy.Operation, name *string) []service.Check {
	out := everything(op)
	for i := range out {
		out[i].Resource = arn.ARN{Partition: "aws", Service: "dynamodb", Account: c.Account, Resource: "global-table/" + smithy.Val(name)}.String()
	}
	return out
}
