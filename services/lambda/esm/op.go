package esm

import (
	"context"
	"maps"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// configuration is what all operations answer.
type configuration = api.EventSourceMappingConfiguration

func (s *Service) create(ctx context.Context, c *service.Call, in *api.CreateEventSourceMappingInput) (*api.CreateEventSourceMappingOutput, error) {
	if in.SelfManagedEventSource != nil || len(in.Topics)+len(in.Queues) > 0 {
		return nil, fn.Unsupported("brokers as event sources")
	}
	if smithy.Val(in.EventSourceArn) == "" {
		return nil, fn.Invalid("Unrecognized event source.")
	}
	k, err := kindOf(*in.EventSourceArn)
	if err != nil {
		return nil, err
	}
	r := requestOfCreate(in)
	if err := r.check(k); err != nil {
		return nil, err
	}
	if err := checkStart(k, in); err != nil {
		return nil, err
	}
	if err := fn.CheckTags(in.Tags); err != nil {
		return nil, err
	}
	m := &Mapping{
		Place: fn.PlaceOf(c), UUID: s.deps.Ident.UUID(), Source: *in.EventSourceArn, State: creating, Modified: c.Now, Generation: 1,
		Enabled: in.Enabled == nil || *in.Enabled, Start: smithy.Val(in.StartingPosition), At: c.Now.Truncate(time.Millisecond), Settings: streamDefaults(), Tags: maps.Clone(in.Tags),
	}
	if k.isQueue() {
		m.Settings = queueDefaults()
	}
	if err := r.apply(&m.Settings); err != nil {
		return nil, err
	}
	if err := m.checkFit(k); err != nil {
		return nil, err
	}
	if err := s.setFunction(ctx, c, m, in.FunctionName); err != nil {
		return nil, err
	}
	if k == kinesisStream {
		return nil, noStream(m.Source)
	}
	if err := s.checkSource(ctx, k, m); err != nil {
		return nil, err
	}
	if err := s.checkCount(ctx, m.Place); err != nil {
		return nil, err
	}
	out := m.describe("")
	if err := sealFilters(ctx, c, m); err != nil {
		return nil, err
	}
	found, err := s.store.create(ctx, m)
	if err != nil {
		return nil, err
	}
	if found != "" {
		return nil, duplicate(m.Source, m.Function, found)
	}
	return out, nil
}

// setFunction gives the mapping the function that a request names.
func (s *Service) setFunction(ctx context.Context, c *service.Call, m *Mapping, name *string) error {
	ref, err := fn.RefOf(c, name, nil)
	if err != nil {
		return err
	}
	if ref.Account != m.Account {
		return fn.Invalid("Function does not exist")
	}
	_, v, err := s.runner.Target(ctx, ref)
	switch {
	case fault.Is(err, "ResourceNotFoundException"):
		return fn.Invalid("Function does not exist")
	case err != nil:
		return err
	case v.Tenancy != "":
		return fn.Invalid("Event source mappings are not supported for functions that are enabled with tenancy configuration.")
	}
	m.Function, m.Qualifier = ref.Name, ref.Qualifier
	return nil
}

func (s *Service) checkCount(ctx context.Context, p fn.Place) error {
	n := 0
	err := s.store.all(ctx, p, "", func(*Mapping) (bool, error) {
		n++
		return n < mappingsMax, nil
	})
	if err == nil && n >= mappingsMax {
		err = fn.Invalid("moln keeps at most %d event source mappings of an account in a region.", mappingsMax)
	}
	return err
}

// show describes a mapping with what came of its last batch.
func (s *Service) show(ctx context.Context, c *service.Call, m *Mapping) (*configuration, error) {
	result, err := s.store.result(ctx, m)
	if err != nil {
		return nil, err
	}
	out := m.describe(result)
	return out, showFilters(ctx, c, m, out)
}

func (s *Service) get(ctx context.Context, c *service.Call, in *api.GetEventSourceMappingInput) (*configuration, error) {
	m, err := s.store.mapping(ctx, fn.PlaceOf(c), *in.UUID)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NoMapping()
	}
	return s.show(ctx, c, m)
}

// pageMax is how many mappings a page has, AWS says.
const pageMax = 100

func (s *Service) list(ctx context.Context, c *service.Call, in *api.ListEventSourceMappingsInput) (*api.ListEventSourceMappingsOutput, error) {
	function := ""
	if smithy.Val(in.FunctionName) != "" {
		ref, err := fn.RefOf(c, in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		function = ref.ARN()
	}
	limit := pageMax
	if n := int(smithy.Val(in.MaxItems)); n > 0 && n < limit {
		limit = n
	}
	out := &api.ListEventSourceMappingsOutput{EventSourceMappings: []configuration{}}
	err := s.store.all(ctx, fn.PlaceOf(c), smithy.Val(in.Marker), func(m *Mapping) (bool, error) {
		if function != "" && m.ref().ARN() != function || smithy.Val(in.EventSourceArn) != "" && m.Source != *in.EventSourceArn {
			return true, nil
		}
		if n := len(out.EventSourceMappings); n == limit {
			out.NextMarker = out.EventSourceMappings[n-1].UUID
			return false, nil
		}
		one, err := s.show(ctx, c, m)
		if err == nil {
			out.EventSourceMappings = append(out.EventSourceMappings, *one)
		}
		return true, err
	})
	return out, err
}

func (s *Service) update(ctx context.Context, c *service.Call, in *api.UpdateEventSourceMappingInput) (*configuration, error) {
	p := fn.PlaceOf(c)
	trial, err := s.store.mapping(ctx, p, *in.UUID)
	if err != nil {
		return nil, err
	}
	if trial == nil {
		return nil, NoMapping()
	}
	k, err := kindOf(trial.Source)
	if err != nil {
		return nil, err
	}
	r := requestOfUpdate(in)
	if err := r.check(k); err != nil {
		return nil, err
	}
	// What needs others is checked before the transaction.
	before := *trial
	if err := s.change(ctx, c, trial, &r, in); err != nil {
		return nil, err
	}
	if err := trial.checkFit(k); err != nil {
		return nil, err
	}
	if in.FunctionName != nil || in.DestinationConfig != nil || k.isQueue() && trial.Enabled {
		if err := s.checkSource(ctx, k, trial); err != nil {
			return nil, err
		}
	}
	m, err := s.store.change(ctx, p, *in.UUID, func(tx *kv.Tx, m *Mapping) error {
		if !m.settled() {
			return inUse("update")
		}
		if m.Generation != before.Generation {
			return inUse("update") // somebody else has changed it meanwhile
		}
		if err := repair(tx, &before, trial); err != nil {
			return err
		}
		generation, tags := m.Generation, m.Tags
		*m = *trial
		m.Generation, m.Tags, m.Modified = generation, tags, c.Now
		m.State = transition(before.Enabled, m.Enabled)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NoMapping()
	}
	return s.show(ctx, c, m)
}

// change makes a mapping what an update says.
func (s *Service) change(ctx context.Context, c *service.Call, m *Mapping, r *request, in *api.UpdateEventSourceMappingInput) error {
	set(&m.Enabled, in.Enabled)
	if in.FunctionName != nil {
		if err := s.setFunction(ctx, c, m, in.FunctionName); err != nil {
			return err
		}
	}
	if in.KMSKeyArn == nil && in.FilterCriteria == nil {
		return r.apply(&m.Settings)
	}
	var err error
	if m.Filters, err = openFilters(ctx, c, m); err != nil && in.FilterCriteria == nil {
		return err
	}
	if err := r.apply(&m.Settings); err != nil {
		return err
	}
	return sealFilters(ctx, c, m)
}

// repair moves the claim on a function and a source where an update has changed
// the function.
func repair(tx *kv.Tx, before, after *Mapping) error {
	if before.ref() == after.ref() {
		return nil
	}
	other, taken, err := getText(tx.Get, pairKey(after))
	if err != nil {
		return err
	}
	if taken {
		return duplicate(after.Source, after.Function, other)
	}
	if err := tx.Delete(pairKey(before)); err != nil {
		return err
	}
	return tx.Put(pairKey(after), []byte(after.UUID))
}

func transition(was, is bool) string {
	switch {
	case is && !was:
		return enabling
	case was && !is:
		return disabling
	}
	return updating
}

func (s *Service) delete(ctx context.Context, c *service.Call, in *api.DeleteEventSourceMappingInput) (*configuration, error) {
	m, err := s.store.change(ctx, fn.PlaceOf(c), *in.UUID, func(_ *kv.Tx, m *Mapping) error {
		if !m.settled() {
			return inUse("delete")
		}
		m.State, m.Modified = deleting, c.Now
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NoMapping()
	}
	return s.show(ctx, c, m)
}
