package cloudformation

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/deploy"
	"moln.dev/moln/services/cloudformation/stack"
)

func place(c *service.Call) stack.Place { return stack.Place{Account: c.Account, Region: c.Region} }

// lookUp loads a stack by name or ARN, or stack.ErrNotFound; only by ARN are
// deleted stacks found.
func (s *Service) lookUp(ctx context.Context, c *service.Call, given string) (*stack.Stack, error) {
	if !strings.HasPrefix(given, "arn:") {
		return s.store.ByName(ctx, place(c), given)
	}
	st, err := s.store.Get(ctx, place(c), deploy.IDOf(given))
	if err == nil && st.ARN != given {
		return nil, stack.ErrNotFound
	}
	return st, err
}

// find is lookUp with the fault that answers a stack which does not exist.
func (s *Service) find(ctx context.Context, c *service.Call, name *string, miss func(string) *fault.Fault) (*stack.Stack, error) {
	st, err := s.lookUp(ctx, c, smithy.Val(name))
	if errors.Is(err, stack.ErrNotFound) {
		return nil, miss(smithy.Val(name))
	}
	return st, err
}

// findActive is find without deleted stacks.
func (s *Service) findActive(ctx context.Context, c *service.Call, name *string, miss func(string) *fault.Fault) (*stack.Stack, error) {
	st, err := s.find(ctx, c, name, miss)
	if err == nil && !st.Active() {
		return nil, miss(smithy.Val(name))
	}
	return st, err
}

func stackARN(p stack.Place, name, id string) string {
	return arn.ARN{Partition: "aws", Service: "cloudformation", Region: p.Region, Account: p.Account, Resource: "stack/" + name + "/" + id}.String()
}

func changeSetARN(p stack.Place, name, id string) string {
	return arn.ARN{Partition: "aws", Service: "cloudformation", Region: p.Region, Account: p.Account, Resource: "changeSet/" + name + "/" + id}.String()
}

// page cuts a list at a token, which is the index of its first item.
func page[T any](all []T, token *string, size int) ([]T, *string, error) {
	from := 0
	if token != nil && *token != "" {
		n, err := strconv.Atoi(*token)
		if err != nil || n < 0 || n > len(all) {
			return nil, nil, invalid("Invalid NextToken")
		}
		from = n
	}
	to := min(from+size, len(all))
	if to == len(all) {
		return all[from:], nil, nil
	}
	return all[from:to], new(strconv.Itoa(to)), nil
}
