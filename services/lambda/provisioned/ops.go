package provisioned

import (
	"context"
	"maps"
	"slices"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

const timeLayout = "2006-01-02T15:04:05+0000"

// Operations are those on provisioned concurrency.
func (k *Keeper) Operations() []service.Operation { return table.Bind(k) }

const perNode = "each node of a cluster keeps as many environments as are asked for, and tells of its own"

var table = service.Table[*Keeper]{
	service.Full(api.DeleteProvisionedConcurrencyConfig, (*Keeper).remove),
	service.Partial(api.GetProvisionedConcurrencyConfig, (*Keeper).get, perNode),
	service.Partial(api.ListProvisionedConcurrencyConfigs, (*Keeper).list, perNode),
	service.Partial(api.PutProvisionedConcurrencyConfig, (*Keeper).put, perNode),
}

func qualified(c *service.Call, name, qualifier *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, name, qualifier)
	if err == nil && (r.Qualifier == "" || r.Qualifier == fn.Latest) {
		err = fn.Invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	}
	return r, err
}

func noConfig() error {
	return api.ErrProvisionedConcurrencyConfigNotFoundException("No Provisioned Concurrency Config found for this function")
}

func (k *Keeper) put(ctx context.Context, c *service.Call, in *api.PutProvisionedConcurrencyConfigInput) (*api.PutProvisionedConcurrencyConfigOutput, error) {
	r, err := qualified(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	n := *in.ProvisionedConcurrentExecutions
	others, _, err := k.store.Usage(ctx, r.Place, r.Name)
	if err != nil {
		return nil, err
	}
	p := fn.Provision{Executions: n, Modified: c.Now}
	_, _, err = k.store.Change(ctx, r, func(tx *kv.Tx, f *fn.Function) error {
		if f.Latest.Tenancy != "" {
			return fn.Invalid("Provisioned concurrency is not supported for functions that are enabled with tenancy configuration.")
		}
		if err := clash(tx, r, f); err != nil {
			return err
		}
		if err := fits(f, r.Qualifier, n, others.Reserved); err != nil {
			return err
		}
		return fn.SetProvision(tx, r, f, r.Qualifier, &p)
	})
	if err != nil {
		return nil, err
	}
	k.poke()
	s := k.status(r, p)
	return &api.PutProvisionedConcurrencyConfigOutput{
		RequestedProvisionedConcurrentExecutions: &n, AllocatedProvisionedConcurrentExecutions: &s.ready,
		AvailableProvisionedConcurrentExecutions: &s.ready, Status: &s.name, StatusReason: s.reason, LastModified: new(p.Modified.UTC().Format(timeLayout)),
	}, nil
}

// clash makes sure that r's qualifier is there, and that not both an alias and its
// version are provisioned.
func clash(tx *kv.Tx, r fn.Ref, f *fn.Function) error {
	there, err := fn.Exists(tx.Get, r)
	if err == nil && !there {
		err = fn.NotFound(r.ARN())
	}
	if err != nil {
		return err
	}
	if !fn.NumberPattern.MatchString(r.Qualifier) {
		a, _, err := fn.Read[fn.Alias](tx.Get, r.AliasKey(r.Name, r.Qualifier))
		if err != nil {
			return err
		}
		if _, ok := f.Provisioned[a.Version]; ok {
			return fn.Conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
		return nil
	}
	for q := range f.Provisioned {
		if fn.NumberPattern.MatchString(q) {
			continue
		}
		a, ok, err := fn.Read[fn.Alias](tx.Get, r.AliasKey(r.Name, q))
		if err != nil {
			return err
		}
		if ok && a.Version == r.Qualifier {
			return fn.Conflict("Version is pointed by a Provisioned Concurrency alias")
		}
	}
	return nil
}

// fits checks a number against the function's reservation or, where it has none,
// against what the account's other functions leave.
func fits(f *fn.Function, qualifier string, n int32, others int64) error {
	total := f.ProvisionedTotal(qualifier) + int64(n)
	if f.Reserved != nil {
		if total > int64(*f.Reserved) {
			return fn.Invalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	if run.ConcurrencyMax-others-total < run.UnreservedMin {
		return fn.Invalid("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", run.ConcurrencyMax-others-f.ProvisionedTotal(qualifier))
	}
	return nil
}

func (k *Keeper) remove(ctx context.Context, c *service.Call, in *api.DeleteProvisionedConcurrencyConfigInput) (*api.DeleteProvisionedConcurrencyConfigOutput, error) {
	r, err := qualified(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, _, err = k.store.Change(ctx, r, func(tx *kv.Tx, f *fn.Function) error {
		if _, ok := f.Provisioned[r.Qualifier]; !ok {
			return noConfig()
		}
		return fn.SetProvision(tx, r, f, r.Qualifier, nil)
	})
	k.poke()
	return nil, err
}

func (k *Keeper) get(ctx context.Context, c *service.Call, in *api.GetProvisionedConcurrencyConfigInput) (*api.GetProvisionedConcurrencyConfigOutput, error) {
	r, err := qualified(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := k.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	p, ok := f.Provisioned[r.Qualifier]
	if !ok {
		return nil, noConfig()
	}
	s := k.status(r, p)
	return &api.GetProvisionedConcurrencyConfigOutput{
		RequestedProvisionedConcurrentExecutions: &p.Executions, AllocatedProvisionedConcurrentExecutions: &s.ready,
		AvailableProvisionedConcurrentExecutions: &s.ready, Status: &s.name, StatusReason: s.reason, LastModified: new(p.Modified.UTC().Format(timeLayout)),
	}, nil
}

func (k *Keeper) list(ctx context.Context, c *service.Call, in *api.ListProvisionedConcurrencyConfigsInput) (*api.ListProvisionedConcurrencyConfigsOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	f, err := k.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.ListProvisionedConcurrencyConfigsOutput{ProvisionedConcurrencyConfigs: []api.ProvisionedConcurrencyConfigListItem{}}
	for _, q := range slices.Sorted(maps.Keys(f.Provisioned)) {
		if q <= smithy.Val(in.Marker) {
			continue
		}
		if len(out.ProvisionedConcurrencyConfigs) == fn.PageSize(in.MaxItems) {
			out.NextMarker = new(r.Qualifier)
			break
		}
		r.Qualifier = q
		p := f.Provisioned[q]
		s := k.status(r, p)
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, api.ProvisionedConcurrencyConfigListItem{
			FunctionArn: new(r.ARN()), RequestedProvisionedConcurrentExecutions: &p.Executions, AllocatedProvisionedConcurrentExecutions: &s.ready,
			AvailableProvisionedConcurrentExecutions: &s.ready, Status: &s.name, StatusReason: s.reason, LastModified: new(p.Modified.UTC().Format(timeLayout)),
		})
	}
	return out, nil
}
