package ecr

import (
	"context"
	"testing"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

func TestTable(t *testing.T) {
	def := New(service.Deps{}).Definition()
	seen := map[string]int{}
	for _, op := range def.Operations {
		_, o := op.Of()
		seen[o.Name]++
		if (op.Level != service.LevelNone) != (o.Name == "DescribeRepositories") || (op.Level == service.LevelNone && op.Note == "") {
			t.Errorf("%s: level %d, %q", o.Name, op.Level, op.Note)
		}
	}
	for _, d := range api.Operations() {
		if _, o := d.Of(); seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestDescribeRepositories(t *testing.T) {
	def := New(service.Deps{}).Definition()
	c := &service.Call{Account: "000000000000", Region: "us-east-1"}
	_, op := api.DescribeRepositories.Of()
	for _, tt := range []struct {
		names    []string
		resource string
		wrong    string
	}{
		{nil, "arn:aws:ecr:us-east-1:000000000000:repository/*", ""},
		{[]string{"app"}, "arn:aws:ecr:us-east-1:000000000000:repository/app", "The repository with name 'app' does not exist in the registry with id '000000000000'"},
	} {
		in := &api.DescribeRepositoriesInput{RepositoryNames: tt.names}
		checks, err := def.Authorize(context.Background(), c, op, in)
		if err != nil || len(checks) != 1 || checks[0].Resource != tt.resource || checks[0].Action != "ecr:DescribeRepositories" {
			t.Errorf("checks %+v, %v", checks, err)
		}
		_, err = def.Operations[0].Call(context.Background(), c, in)
		if f := fault.As(err); (f == nil) != (tt.wrong == "") || (f != nil && (f.Code != "RepositoryNotFoundException" || f.Message != tt.wrong)) {
			t.Errorf("%v: %v, want %q", tt.names, err, tt.wrong)
		}
	}
}
