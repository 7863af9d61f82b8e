package events

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// pageDefault is how much lists give where the request does not say.
const pageDefault = 100

func pageSize(limit *int32) int {
	if limit == nil || *limit <= 0 {
		return pageDefault
	}
	return int(*limit)
}

// checkSettings refuses what is not carried out.
func checkSettings(key *string, log *api.LogConfig, letters *api.DeadLetterConfig) error {
	if smithy.Val(key) != "" {
		return unsupported("event buses that are encrypted with a key of KMS (KmsKeyIdentifier)")
	}
	if log != nil && smithy.Val(log.Level) != "" && *log.Level != api.LevelOff {
		return unsupported("logs of event buses (LogConfig)")
	}
	return checkDeadLetter(letters)
}

// checkDeadLetter makes sure that a dead-letter queue is a standard queue.
func checkDeadLetter(c *api.DeadLetterConfig) error {
	if c == nil || smithy.Val(c.Arn) == "" {
		return nil
	}
	a, err := arn.Parse(*c.Arn)
	if err != nil || a.Service != "sqs" || a.Account == "" || strings.HasSuffix(a.Resource, ".fifo") {
		return invalid("Parameter DeadLetterConfig.Arn is not valid. Reason: Only standard Amazon SQS queues are supported as dead-letter queues.")
	}
	return nil
}

func (s *Service) createEventBus(ctx context.Context, c *service.Call, in *api.CreateEventBusInput) (*api.CreateEventBusOutput, error) {
	if in.EventSourceName != nil {
		return nil, unsupported("partner event buses")
	}
	if strings.Contains(*in.Name, "/") {
		return nil, invalid("Event bus name must not contain '/'.")
	}
	if err := checkSettings(in.KmsKeyIdentifier, in.LogConfig, in.DeadLetterConfig); err != nil {
		return nil, err
	}
	k := busKey{placeOf(c), *in.Name}
	b := &bus{Name: k.name, Description: smithy.Val(in.Description), Created: c.Now.UTC(), Modified: c.Now.UTC(), Generation: uint64(c.Now.UnixMicro())}
	if in.DeadLetterConfig != nil {
		b.DeadLetter = smithy.Val(in.DeadLetterConfig.Arn)
	}
	var err error
	if b.Tags, err = mergeTags(nil, in.Tags); err != nil {
		return nil, err
	}
	there, err := s.store.buses(ctx, k.place, "", "", busesMax+1)
	if err != nil {
		return nil, err
	}
	created := false
	if k.name != defaultBus {
		if custom := len(there); custom >= busesMax && !containsBus(there, k.name) {
			return nil, limitExceeded()
		}
		created, err = s.store.createBus(ctx, k, b)
	}
	if err == nil && !created {
		err = api.ErrResourceAlreadyExistsException("Event bus %s already exists.", k.name)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateEventBusOutput{EventBusArn: new(k.arn()), Description: in.Description, DeadLetterConfig: in.DeadLetterConfig, LogConfig: in.LogConfig}, nil
}

func containsBus(list []bus, name string) bool {
	for _, b := range list {
		if b.Name == name {
			return true
		}
	}
	return false
}

func (s *Service) updateEventBus(ctx context.Context, c *service.Call, in *api.UpdateEventBusInput) (*api.UpdateEventBusOutput, error) {
	if err := checkSettings(in.KmsKeyIdentifier, in.LogConfig, in.DeadLetterConfig); err != nil {
		return nil, err
	}
	k := busOf(c, in.Name)
	var now bus
	err := s.store.changeBus(ctx, k, func(b *bus) error {
		if in.Description != nil {
			b.Description = *in.Description
		}
		if in.DeadLetterConfig != nil {
			b.DeadLetter = smithy.Val(in.DeadLetterConfig.Arn)
		}
		b.Modified = c.Now.UTC()
		now = *b
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateEventBusOutput{Arn: new(k.arn()), Name: &k.name, Description: text(now.Description), DeadLetterConfig: letters(&now), LogConfig: in.LogConfig}, nil
}

func letters(b *bus) *api.DeadLetterConfig {
	if b.DeadLetter == "" {
		return nil
	}
	return &api.DeadLetterConfig{Arn: &b.DeadLetter}
}

func (s *Service) deleteEventBus(ctx context.Context, c *service.Call, in *api.DeleteEventBusInput) (*api.DeleteEventBusOutput, error) {
	k := busOf(c, in.Name)
	if k.name == defaultBus {
		return nil, invalid("Cannot delete event bus default.")
	}
	return nil, s.store.deleteBus(ctx, k)
}

func (s *Service) describeEventBus(ctx context.Context, c *service.Call, in *api.DescribeEventBusInput) (*api.DescribeEventBusOutput, error) {
	k := busOf(c, in.Name)
	b, err := s.find(ctx, k)
	if err != nil {
		return nil, err
	}
	return &api.DescribeEventBusOutput{
		Name: &k.name, Arn: new(k.arn()), Description: text(b.Description), Policy: text(b.Policy), DeadLetterConfig: letters(b),
		CreationTime: timeOf(b.Created), LastModifiedTime: timeOf(b.Modified),
	}, nil
}

// find gives a bus, which is shared, or noBus.
func (s *Service) find(ctx context.Context, k busKey) (*bus, error) {
	b, err := s.store.bus(ctx, k)
	if errors.Is(err, errAbsent) {
		return nil, noBus(k.name)
	}
	return b, err
}

func (s *Service) listEventBuses(ctx context.Context, c *service.Call, in *api.ListEventBusesInput) (*api.ListEventBusesOutput, error) {
	p, prefix, limit := placeOf(c), smithy.Val(in.NamePrefix), pageSize(in.Limit)
	after := smithy.Val(in.NextToken)
	list, err := s.store.buses(ctx, p, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	if !containsBus(list, defaultBus) {
		list = withDefault(list, prefix, after)
	}
	out := &api.ListEventBusesOutput{EventBuses: []api.EventBus{}}
	for i := range list {
		if len(out.EventBuses) == limit {
			out.NextToken = out.EventBuses[limit-1].Name
			break
		}
		b := &list[i]
		out.EventBuses = append(out.EventBuses, api.EventBus{
			Name: &b.Name, Arn: new(busKey{p, b.Name}.arn()), Description: text(b.Description), Policy: text(b.Policy),
			CreationTime: timeOf(b.Created), LastModifiedTime: timeOf(b.Modified),
		})
	}
	return out, nil
}

// withDefault puts the default bus, which need not be stored, into its place.
func withDefault(list []bus, prefix, after string) []bus {
	if !strings.HasPrefix(defaultBus, prefix) || defaultBus <= after {
		return list
	}
	at := 0
	for at < len(list) && list[at].Name < defaultBus {
		at++
	}
	out := append([]bus(nil), list[:at]...)
	return append(append(out, bus{Name: defaultBus}), list[at:]...)
}

func (s *Service) putPermission(ctx context.Context, c *service.Call, in *api.PutPermissionInput) (*api.PutPermissionOutput, error) {
	k := busOf(c, in.EventBusName)
	if in.Policy == nil {
		if err := checkPermission(in); err != nil {
			return nil, err
		}
	}
	return nil, s.store.changeBus(ctx, k, func(b *bus) error {
		doc := smithy.Val(in.Policy)
		if in.Policy == nil {
			var err error
			if doc, err = permit(b.Policy, *in.StatementId, encode(statementOf(k, in))); err != nil {
				return err
			}
		}
		if len(doc) > policyBytesMax {
			return api.ErrPolicyLengthExceededException("The size of the policy exceeds the limit of %d bytes.", policyBytesMax)
		}
		if _, err := policy.Parse([]byte(doc), policy.Resource); err != nil {
			return invalid("Parameter Policy is not valid. Reason: %s", err)
		}
		b.Policy, b.Modified = doc, c.Now.UTC()
		return nil
	})
}

// checkPermission checks what the older form of PutPermission needs.
func checkPermission(in *api.PutPermissionInput) error {
	switch {
	case in.Action == nil || in.Principal == nil || in.StatementId == nil:
		return invalid("Parameter(s) Action, Principal and StatementId, or Policy, must be specified.")
	case *in.Action != "events:PutEvents":
		return invalid("Provided value in parameter 'action' is not supported.")
	case in.Condition == nil:
		return nil
	case smithy.Val(in.Condition.Type) != "StringEquals" || smithy.Val(in.Condition.Key) != "aws:PrincipalOrgID":
		return invalid("Parameter Condition is not valid. Reason: Only StringEquals on aws:PrincipalOrgID is supported.")
	case *in.Principal != "*":
		return invalid("Parameter Principal is not valid. Reason: Principal must be * when Condition is specified.")
	}
	return nil
}

func (s *Service) removePermission(ctx context.Context, c *service.Call, in *api.RemovePermissionInput) (*api.RemovePermissionOutput, error) {
	return nil, s.store.changeBus(ctx, busOf(c, in.EventBusName), func(b *bus) error {
		b.Modified = c.Now.UTC()
		if smithy.Val(in.RemoveAllPermissions) {
			b.Policy = ""
			return nil
		}
		if in.StatementId == nil {
			return invalid("Parameter StatementId is not valid. Reason: StatementId is a required argument.")
		}
		if b.Policy == "" {
			return api.ErrResourceNotFoundException("Statement with the provided id does not exist.")
		}
		d, err := draftOf(b.Policy)
		if err != nil {
			return err
		}
		at := indexOf(&d, *in.StatementId)
		if at < 0 {
			return api.ErrResourceNotFoundException("Statement with the provided id does not exist.")
		}
		d.Statement = slices.Delete(d.Statement, at, at+1)
		b.Policy, err = d.Text()
		return err
	})
}
