package dynamodb

import (
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

func TestThereAreNoGlobalTables(t *testing.T) {
	var s *Service
	list, err := s.listGlobalTables(t.Context(), nil, &api.ListGlobalTablesInput{})
	if err != nil || list.GlobalTables == nil || len(list.GlobalTables) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	_, err = s.describeGlobalTable(t.Context(), nil, &api.DescribeGlobalTableInput{GlobalTableName: new("things")})
	if f := fault.As(err); f == nil || f.Code != "GlobalTableNotFoundException" {
		t.Errorf("described: %v", err)
	}
	_, op := api.DescribeGlobalTable.Of()
	checks, err := s.authorize(t.Context(), &service.Call{Account: "111111111111", Region: "eu-west-1"}, op, &api.DescribeGlobalTableInput{GlobalTableName: new("things")})
	if err != nil || len(checks) != 1 || checks[0].Resource != "arn:aws:dynamodb::111111111111:global-table/things" {
		t.Errorf("judged on %v, %v", checks, err)
	}
}
