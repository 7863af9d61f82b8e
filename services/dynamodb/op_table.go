package dynamodb

import (
	"context"
	"net/url"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// names of tables have at least this length when they are created.
const leastName = 3

func (s *Service) createTable(ctx context.Context, c *service.Call, in *api.CreateTableInput) (*api.CreateTableOutput, error) {
	if err := words.TableName(*in.TableName, leastName); err != nil {
		return nil, err
	}
	if err := refuseSettings(in); err != nil {
		return nil, err
	}
	t, err := table.New(in)
	if err != nil {
		return nil, err
	}
	t.ID, t.Created, t.ARNValue = s.deps.Ident.UUID(), table.Rounded(c.Now), tableARN(c, t.Name)
	if t.Billing == table.OnDemand {
		t.OnDemandAt = t.Created
	}
	if t.Tags, err = tagged(nil, in.Tags); err != nil {
		return nil, err
	}
	if t.SSE, err = s.encryption(ctx, c, in.SSESpecification); err != nil {
		return nil, err
	}
	if in.ResourcePolicy != nil {
		if t.Policy, err = s.readPolicy(c, t.ARNValue, *in.ResourcePolicy); err != nil {
			return nil, err
		}
	}
	ref, err := s.store.CreateTable(ctx, store.PlaceOf(c), t, api.ErrResourceInUseException("Table already exists: %s", t.Name))
	if err != nil {
		return nil, err
	}
	return &api.CreateTableOutput{TableDescription: table.Describe(ref.Table, api.TableStatusActive, c.Now)}, nil
}

// refuseSettings refuses what moln would otherwise store and ignore.
func refuseSettings(in *api.CreateTableInput) error {
	switch {
	case in.GlobalTableSourceArn != nil || in.GlobalTableSettingsReplicationMode != nil:
		return words.BadParameter("moln has no global tables")
	case in.VectorIndexes != nil:
		return words.BadParameter("moln has no vector indexes")
	}
	return nil
}

func (s *Service) describeTable(ctx context.Context, c *service.Call, in *api.DescribeTableInput) (*api.DescribeTableOutput, error) {
	t, err := s.named(ctx, c, in.TableName)
	if err != nil {
		return nil, err
	}
	d, err := s.describe(ctx, c, t, table.Status(t.Table))
	return &api.DescribeTableOutput{Table: d}, err
}

// named finds the table of a control request.
func (s *Service) named(ctx context.Context, c *service.Call, given *string) (*store.Table, error) {
	name, err := tableName(c, given)
	if err != nil {
		return nil, err
	}
	return s.store.Look(ctx, store.PlaceOf(c), name, words.NoTableNamed(name))
}

// listDefault is how many names ListTables gives without a limit.
const listDefault = 100

func (s *Service) listTables(ctx context.Context, c *service.Call, in *api.ListTablesInput) (*api.ListTablesOutput, error) {
	limit := listDefault
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	names, err := s.store.TableNames(ctx, store.PlaceOf(c), smithy.Val(in.ExclusiveStartTableName), limit+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListTablesOutput{TableNames: names}
	if len(names) > limit {
		out.TableNames, out.LastEvaluatedTableName = names[:limit], &names[limit-1]
	}
	return out, nil
}

func (s *Service) deleteTable(ctx context.Context, c *service.Call, in *api.DeleteTableInput) (*api.DeleteTableOutput, error) {
	name, err := tableName(c, in.TableName)
	if err != nil {
		return nil, err
	}
	t, err := s.store.DeleteTable(ctx, store.PlaceOf(c), name, words.NoTableNamed(name), func(tx *kv.Tx, t *table.Table) (bool, error) {
		if t.Protected {
			return false, words.Refuse("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		if t.Hidden() {
			return false, api.ErrResourceInUseException("Attempt to change a resource which is still in use: Table is being created: %s", t.Name)
		}
		return s.backups.Deleting(tx, c, t)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteTableOutput{TableDescription: table.Describe(t, api.TableStatusDeleting, c.Now)}, nil
}

func (s *Service) describeLimits(context.Context, *service.Call, *api.DescribeLimitsInput) (*api.DescribeLimitsOutput, error) {
	return &api.DescribeLimitsOutput{
		AccountMaxReadCapacityUnits: new(int64(80_000)), AccountMaxWriteCapacityUnits: new(int64(80_000)),
		TableMaxReadCapacityUnits: new(int64(40_000)), TableMaxWriteCapacityUnits: new(int64(40_000)),
	}, nil
}

// endpointMinutes is how long clients keep what DescribeEndpoints says.
const endpointMinutes = 1440

func (s *Service) describeEndpoints(_ context.Context, c *service.Call, _ *api.DescribeEndpointsInput) (*api.DescribeEndpointsOutput, error) {
	address := "dynamodb." + c.Region + ".amazonaws.com"
	if u, err := url.Parse(s.deps.Site.Endpoint); err == nil && u.Host != "" {
		address = u.Host
	}
	return &api.DescribeEndpointsOutput{Endpoints: []api.Endpoint{{Address: &address, CachePeriodInMinutes: new(int64(endpointMinutes))}}}, nil
}

func (s *Service) updateTable(ctx context.Context, c *service.Call, in *api.UpdateTableInput) (*api.UpdateTableOutput, error) {
	if err := refuseUpdates(in); err != nil {
		return nil, err
	}
	name, err := tableName(c, in.TableName)
	if err != nil {
		return nil, err
	}
	newID, now := s.deps.Ident.Lower(12), table.Rounded(c.Now)
	sse, err := s.encryption(ctx, c, in.SSESpecification)
	if err != nil {
		return nil, err
	}
	var dropped string
	t, err := s.store.Change(ctx, store.PlaceOf(c), name, words.NoTableNamed(name), func(t *table.Table) error {
		dropped = ""
		if table.Status(t) != api.TableStatusActive {
			return api.ErrResourceInUseException("Attempt to change a resource which is still in use: Table is being updated: %s", t.Name)
		}
		if err := t.UpdateSettings(in, now); err != nil {
			return err
		}
		t.Encrypt(in.SSESpecification, sse)
		var err error
		dropped, err = t.UpdateIndexes(in, newID, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	if dropped != "" {
		if err := s.store.DropIndex(ctx, t, dropped); err != nil {
			return nil, err
		}
	}
	s.wakeFilling()
	d, err := s.describe(ctx, c, t, api.TableStatusUpdating)
	return &api.UpdateTableOutput{TableDescription: d}, err
}

func refuseUpdates(in *api.UpdateTableInput) error {
	switch {
	case in.ReplicaUpdates != nil || in.MultiRegionConsistency != nil || in.GlobalTableWitnessUpdates != nil ||
		in.GlobalTableSettingsReplicationMode != nil || in.DisassociationProtectionEnabled != nil:
		return words.BadParameter("moln has no global tables")
	case in.VectorIndexUpdates != nil:
		return words.BadParameter("moln has no vector indexes")
	}
	if in.BillingMode == nil && in.ProvisionedThroughput == nil && in.DeletionProtectionEnabled == nil && in.TableClass == nil &&
		len(in.GlobalSecondaryIndexUpdates) == 0 && in.StreamSpecification == nil && in.SSESpecification == nil &&
		in.OnDemandThroughput == nil && in.WarmThroughput == nil {
		return words.Refuse("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	}
	return nil
}

func (s *Service) updateTimeToLive(ctx context.Context, c *service.Call, in *api.UpdateTimeToLiveInput) (*api.UpdateTimeToLiveOutput, error) {
	name, err := tableName(c, in.TableName)
	if err != nil {
		return nil, err
	}
	spec := in.TimeToLiveSpecification
	newID := s.deps.Ident.Lower(12)
	dropped := ""
	t, err := s.store.Change(ctx, store.PlaceOf(c), name, words.NoTableNamed(name), func(t *table.Table) error {
		var err error
		dropped, err = t.UpdateExpiry(*spec.AttributeName, *spec.Enabled, newID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if dropped != "" {
		if err := s.store.DropIndex(ctx, t, dropped); err != nil {
			return nil, err
		}
	}
	s.wakeFilling()
	return &api.UpdateTimeToLiveOutput{TimeToLiveSpecification: spec}, nil
}

func (s *Service) describeTimeToLive(ctx context.Context, c *service.Call, in *api.DescribeTimeToLiveInput) (*api.DescribeTimeToLiveOutput, error) {
	t, err := s.named(ctx, c, in.TableName)
	if err != nil {
		return nil, err
	}
	d := &api.TimeToLiveDescription{TimeToLiveStatus: new(api.TimeToLiveStatusDisabled)}
	if t.TTL != "" {
		d = &api.TimeToLiveDescription{TimeToLiveStatus: new(api.TimeToLiveStatusEnabled), AttributeName: &t.TTL}
	}
	return &api.DescribeTimeToLiveOutput{TimeToLiveDescription: d}, nil
}
