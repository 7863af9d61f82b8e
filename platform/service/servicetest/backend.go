// Package servicetest carries out a service's operations in the tests of that
// service, as the gateway does but for the wire: validated, judged, called. It is
// not for tests of the gateway's own business, such as signatures and records.
package servicetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// Backend is a service.Backend of one service. It lets everything through where
// Judging says nothing else, and knows no roles.
type Backend struct {
	Judging func(c *service.Call, check service.Check) error

	def        service.Definition
	operations map[string]service.Operation
	validator  *smithy.Validator
	validation string
	called     map[string]bool
}

// New returns the backend of a service; validation is the code of its faults for
// what the model's constraints refuse.
func New(def service.Definition, validation string) *Backend {
	b := &Backend{
		def: def, operations: map[string]service.Operation{}, validator: smithy.NewValidator(), validation: validation, called: map[string]bool{},
	}
	for _, op := range def.Operations {
		_, o := op.Of()
		b.operations[o.Name] = op
	}
	return b
}

// Missed are the operations that there are and that were not called, by name.
func (b *Backend) Missed() []string {
	var out []string
	for name, op := range b.operations {
		if op.Level != service.LevelNone && !b.called[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Dispatch implements service.Backend. An operation that needs no permission is
// an error.
func (b *Backend) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (any, error) {
	schema, op := d.Of()
	have, ok := b.operations[op.Name]
	if !ok || have.Call == nil || schema != b.def.Schema {
		return nil, fmt.Errorf("operation %s of %s is not here", op.Name, schema.Name)
	}
	b.called[op.Name] = true
	if v := b.validator.Validate(schema, op.Input, in); len(v) > 0 {
		return nil, fault.New(b.validation, http.StatusBadRequest, "%s", smithy.Message(v))
	}
	checks, err := b.def.Authorize(ctx, c, op, in)
	if err != nil {
		return nil, err
	}
	if len(checks) == 0 {
		return nil, fmt.Errorf("%s needs no permission", op.Name)
	}
	for _, check := range checks {
		if err := b.Judge(ctx, c, check); err != nil {
			return nil, err
		}
	}
	return have.Call(ctx, c, in)
}

// Judge implements service.Backend.
func (b *Backend) Judge(_ context.Context, c *service.Call, check service.Check) error {
	if b.Judging == nil {
		return nil
	}
	return b.Judging(c, check)
}

// Assume implements service.Backend.
func (b *Backend) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, errors.New("no sessions here")
}
