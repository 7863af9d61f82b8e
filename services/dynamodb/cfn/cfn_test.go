package cfn_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb"
)

// stack is a deployer with a service whose indexes are filled.
type stack struct {
	t     *testing.T
	ops   map[string]service.Operation
	types map[string]service.ResourceType
}

func newStack(t *testing.T) *stack {
	db := kv.New(memkv.New())
	t.Cleanup(func() { db.Close() })
	clk := clock.NewFake(time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	ids, log := ident.NewSeeded(1, clk), slog.New(slog.DiscardHandler)
	jobs := sched.New(db.Scope([]byte("s")), clk, ids, log)
	def := dynamodb.New(service.Deps{KV: db.Scope([]byte("d")), Clock: clk, Ident: ids, Log: log, Sched: jobs}).Definition()
	s := &stack{t: t, ops: map[string]service.Operation{}, types: map[string]service.ResourceType{}}
	for _, o := range def.Operations {
		_, op := o.Of()
		s.ops[op.Name] = o
	}
	for _, r := range def.Resources {
		s.types[r.Name] = r
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for _, w := range def.Workers {
		if w.Name == "indexes" {
			go w.Run(ctx)
		}
	}
	return s
}

func (s *stack) call() *service.Call {
	return service.NewCall(s, service.Call{Account: "123456789012", Region: "eu-north-1", Now: time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC), Log: slog.New(slog.DiscardHandler)})
}

func (s *stack) Dispatch(ctx context.Context, c *service.Call, op smithy.Descriptor, in any) (any, error) {
	_, o := op.Of()
	if s.ops[o.Name].Call == nil {
		return nil, fault.New("NotImplemented", 501, "%s", o.Name)
	}
	return s.ops[o.Name].Call(ctx, c, in)
}

func (s *stack) Judge(context.Context, *service.Call, service.Check) error { return nil }

func (s *stack) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, fault.New("AccessDenied", 403, "denied")
}

// fill makes the properties of a resource out of a template's.
func (s *stack) fill(kind, properties string) any {
	s.t.Helper()
	p := s.types[kind].New()
	if err := json.Unmarshal([]byte(properties), p); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stack) create(kind, properties string) (*service.Resource, error) {
	r := &service.Resource{Type: kind, LogicalID: "T", StackName: "s", Token: "token", Properties: s.fill(kind, properties)}
	return r, s.types[kind].Create(s.t.Context(), s.call(), r)
}

func (s *stack) update(r *service.Resource, properties string) error {
	r.Old, r.Properties = r.Properties, s.fill(r.Type, properties)
	return s.types[r.Type].Update(s.t.Context(), s.call(), r)
}

func (s *stack) table(r *service.Resource) *api.TableDescription {
	s.t.Helper()
	out, err := service.Invoke(s.t.Context(), s.call(), api.DescribeTable, &api.DescribeTableInput{TableName: &r.PhysicalID})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Table
}

const (
	keys   = `"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]`
	keys2  = `"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"g","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]`
	index  = `{"IndexName":"g","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}`
	policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"dynamodb:GetItem","Resource":"*"}]}`
)

func TestTableIsUpdatedInPlace(t *testing.T) {
	s := newStack(t)
	r, err := s.create("AWS::DynamoDB::Table", `{`+keys+`,"BillingMode":"PAY_PER_REQUEST","OnDemandThroughput":{"MaxReadRequestUnits":5},"ResourcePolicy":{"PolicyDocument":`+policy+`}}`)
	if err != nil {
		t.Fatal(err)
	}
	first := s.table(r)
	if *first.OnDemandThroughput.MaxReadRequestUnits != 5 || !strings.HasSuffix(r.Attributes["Arn"].(string), "table/"+r.PhysicalID) {
		t.Errorf("created as %+v with %v", first.OnDemandThroughput, r.Attributes)
	}
	read := func() error {
		_, err := service.Invoke(t.Context(), s.call(), api.GetResourcePolicy, &api.GetResourcePolicyInput{ResourceArn: first.TableArn})
		return err
	}
	if err := read(); err != nil {
		t.Error(err)
	}
	if err := s.update(r, `{`+keys2+`,"BillingMode":"PAY_PER_REQUEST","OnDemandThroughput":{"MaxWriteRequestUnits":7},"GlobalSecondaryIndexes":[`+index+`],"WarmThroughput":{"ReadUnitsPerSecond":13000},
		"TimeToLiveSpecification":{"AttributeName":"ttl","Enabled":true},"DeletionProtectionEnabled":true,"Tags":[{"Key":"a","Value":"b"}]}`); err != nil {
		t.Fatal(err)
	}
	now := s.table(r)
	if *now.TableId != *first.TableId || *now.OnDemandThroughput.MaxReadRequestUnits != -1 || *now.OnDemandThroughput.MaxWriteRequestUnits != 7 ||
		len(now.GlobalSecondaryIndexes) != 1 || *now.GlobalSecondaryIndexes[0].IndexStatus != "ACTIVE" || !*now.DeletionProtectionEnabled || *now.WarmThroughput.ReadUnitsPerSecond != 13000 {
		t.Errorf("updated to %+v", now)
	}
	if err := read(); !fault.Is(err, "PolicyNotFoundException") {
		t.Errorf("the policy is still there: %v", err)
	}
	// To provisioned capacity, with the index.
	provisioned := `"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":2}`
	if err := s.update(r, `{`+keys2+`,`+provisioned+`,"GlobalSecondaryIndexes":[`+strings.Replace(index, "{", "{"+provisioned+",", 1)+`]}`); err != nil {
		t.Fatal(err)
	}
	now = s.table(r)
	if *now.ProvisionedThroughput.WriteCapacityUnits != 2 || *now.GlobalSecondaryIndexes[0].ProvisionedThroughput.WriteCapacityUnits != 2 || now.OnDemandThroughput != nil || *now.DeletionProtectionEnabled {
		t.Errorf("updated to %+v", now)
	}
	if err := s.update(r, `{`+keys+`,`+provisioned+`,"PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true,"RecoveryPeriodInDays":7}}`); err != nil {
		t.Errorf("recovery: %v", err)
	}
	recovery := func() *api.PointInTimeRecoveryDescription {
		out, err := service.Invoke(t.Context(), s.call(), api.DescribeContinuousBackups, &api.DescribeContinuousBackupsInput{TableName: &r.PhysicalID})
		if err != nil {
			t.Fatal(err)
		}
		return out.ContinuousBackupsDescription.PointInTimeRecoveryDescription
	}
	if d := recovery(); *d.PointInTimeRecoveryStatus != "ENABLED" || *d.RecoveryPeriodInDays != 7 {
		t.Errorf("recovery: %+v", d)
	}
	if err := s.update(r, `{`+keys+`,`+provisioned+`}`); err != nil || *recovery().PointInTimeRecoveryStatus != "DISABLED" {
		t.Errorf("recovery off: %v, %+v", err, recovery())
	}
	if err := s.types[r.Type].Delete(t.Context(), s.call(), r); err != nil {
		t.Error(err)
	}
}

func TestGlobalTableOfOneRegion(t *testing.T) {
	s := newStack(t)
	const kind = "AWS::DynamoDB::GlobalTable"
	replica := `"Replicas":[{"Region":"eu-north-1","Tags":[{"Key":"a","Value":"b"}],"ReadOnDemandThroughputSettings":{"MaxReadRequestUnits":3},
		"GlobalSecondaryIndexes":[{"IndexName":"g","ReadOnDemandThroughputSettings":{"MaxReadRequestUnits":4}}]}]`
	for _, wrong := range []string{
		`{` + keys + `,"BillingMode":"PAY_PER_REQUEST","Replicas":[{"Region":"eu-north-1"},{"Region":"us-east-1"}]}`,
		`{` + keys + `,"BillingMode":"PAY_PER_REQUEST","Replicas":[{"Region":"us-east-1"}]}`,
		`{` + keys + `,"BillingMode":"PROVISIONED","Replicas":[{"Region":"eu-north-1"}]}`,
	} {
		if _, err := s.create(kind, wrong); !fault.Is(err, "ValidationException") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	r, err := s.create(kind, `{`+keys2+`,"BillingMode":"PAY_PER_REQUEST","WriteOnDemandThroughputSettings":{"MaxWriteRequestUnits":9},"GlobalSecondaryIndexes":[`+index+`],`+replica+`}`)
	if err != nil {
		t.Fatal(err)
	}
	made := s.table(r)
	got := []int64{*made.OnDemandThroughput.MaxWriteRequestUnits, *made.OnDemandThroughput.MaxReadRequestUnits, *made.GlobalSecondaryIndexes[0].OnDemandThroughput.MaxReadRequestUnits}
	if d := cmp.Diff([]int64{9, 3, 4}, got); d != "" || r.Attributes["TableId"] != *made.TableId {
		t.Errorf("%s %v", d, r.Attributes)
	}
	if err := s.update(r, `{`+keys+`,"BillingMode":"PAY_PER_REQUEST","Replicas":[{"Region":"eu-north-1"}],"StreamSpecification":{"StreamViewType":"NEW_IMAGE"}}`); err != nil {
		t.Fatal(err)
	}
	if made = s.table(r); len(made.GlobalSecondaryIndexes) != 0 || made.OnDemandThroughput != nil || r.Attributes["StreamArn"] != *made.LatestStreamArn {
		t.Errorf("updated to %+v with %v", made, r.Attributes)
	}
}
