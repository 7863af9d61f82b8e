package logs

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// retentions are the days that PutRetentionPolicy accepts.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

const tagsMax = 50

func groupARN(c *service.Call, name string) string {
	return arn.ARN{Partition: "aws", Service: "logs", Region: c.Region, Account: c.Account, Resource: "log-group:" + name}.String()
}

// groupName takes a name, or the name out of an ARN.
func groupName(name, identifier *string) (string, error) {
	id := smithy.Val(name)
	if id == "" {
		id = smithy.Val(identifier)
	}
	if id == "" {
		return "", api.ErrInvalidParameterException("Exactly one of logGroupName or logGroupIdentifier must be given")
	}
	if a, err := arn.Parse(id); err == nil {
		id = strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*")
	}
	return id, nil
}

func (s *Service) createLogGroup(ctx context.Context, c *service.Call, in *api.CreateLogGroupInput) (*api.CreateLogGroupOutput, error) {
	if in.KmsKeyId != nil {
		return nil, api.ErrInvalidParameterException("moln does not encrypt log groups with KMS keys")
	}
	class := smithy.Val(in.LogGroupClass)
	if class != "" && class != api.LogGroupClassStandard {
		return nil, api.ErrInvalidParameterException("moln has log groups of class STANDARD only")
	}
	g := group{Name: *in.LogGroupName, Created: c.Now.UnixMilli(), Class: class, Tags: in.Tags, Protected: smithy.Val(in.DeletionProtectionEnabled)}
	return nil, s.store.createGroup(ctx, placeOf(c), g)
}

func (s *Service) deleteLogGroup(ctx context.Context, c *service.Call, in *api.DeleteLogGroupInput) (*api.DeleteLogGroupOutput, error) {
	g, err := s.store.group(ctx, placeOf(c), *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if g.Protected {
		return nil, api.ErrValidationException("The log group is protected from deletion.")
	}
	return nil, s.store.deleteGroup(ctx, placeOf(c), g.Name)
}

func (s *Service) describeLogGroups(ctx context.Context, c *service.Call, in *api.DescribeLogGroupsInput) (*api.DescribeLogGroupsOutput, error) {
	if len(in.AccountIdentifiers) > 0 || smithy.Val(in.IncludeLinkedAccounts) {
		return nil, api.ErrInvalidParameterException("moln has no linked accounts")
	}
	limit := int(smithy.Val(in.Limit))
	if limit == 0 {
		limit = describeDefault
	}
	pattern := smithy.Val(in.LogGroupNamePattern)
	out := &api.DescribeLogGroupsOutput{LogGroups: []api.LogGroup{}}
	after := smithy.Val(in.NextToken)
	for {
		found, err := s.store.groups(ctx, placeOf(c), smithy.Val(in.LogGroupNamePrefix), after, limit+1)
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			if len(out.LogGroups) == limit {
				out.NextToken = new(after)
				return out, nil
			}
			after = g.Name
			if !strings.Contains(strings.ToLower(g.Name), strings.ToLower(pattern)) ||
				(len(in.LogGroupIdentifiers) > 0 && !slices.ContainsFunc(in.LogGroupIdentifiers, func(id string) bool { n, _ := groupName(&id, nil); return n == g.Name })) {
				continue
			}
			out.LogGroups = append(out.LogGroups, describeGroup(c, g))
		}
		if len(found) <= limit {
			return out, nil
		}
	}
}

func describeGroup(c *service.Call, g group) api.LogGroup {
	a := groupARN(c, g.Name)
	class := g.Class
	if class == "" {
		class = api.LogGroupClassStandard
	}
	out := api.LogGroup{
		LogGroupName: new(g.Name), CreationTime: new(g.Created), Arn: new(a + ":*"), LogGroupArn: new(a),
		MetricFilterCount: new(int32(0)), StoredBytes: new(int64(0)), LogGroupClass: new(class),
		DeletionProtectionEnabled: new(g.Protected),
	}
	if g.Retention > 0 {
		out.RetentionInDays = new(g.Retention)
	}
	return out
}

func (s *Service) putRetentionPolicy(ctx context.Context, c *service.Call, in *api.PutRetentionPolicyInput) (*api.PutRetentionPolicyOutput, error) {
	days := *in.RetentionInDays
	if !slices.Contains(retentions, days) {
		return nil, api.ErrInvalidParameterException("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [%s]", days, daysText())
	}
	return nil, s.store.changeGroup(ctx, placeOf(c), *in.LogGroupName, func(g *group) error {
		g.Retention = days
		return nil
	})
}

func (s *Service) deleteRetentionPolicy(ctx context.Context, c *service.Call, in *api.DeleteRetentionPolicyInput) (*api.DeleteRetentionPolicyOutput, error) {
	return nil, s.store.changeGroup(ctx, placeOf(c), *in.LogGroupName, func(g *group) error {
		g.Retention = 0
		return nil
	})
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return nil, s.tag(ctx, c, *in.ResourceArn, in.Tags, nil)
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return nil, s.tag(ctx, c, *in.ResourceArn, nil, in.TagKeys)
}

func (s *Service) tagLogGroup(ctx context.Context, c *service.Call, in *api.TagLogGroupInput) (*api.TagLogGroupOutput, error) {
	return nil, s.tag(ctx, c, *in.LogGroupName, in.Tags, nil)
}

func (s *Service) untagLogGroup(ctx context.Context, c *service.Call, in *api.UntagLogGroupInput) (*api.UntagLogGroupOutput, error) {
	return nil, s.tag(ctx, c, *in.LogGroupName, nil, in.Tags)
}

func (s *Service) tag(ctx context.Context, c *service.Call, id string, set map[string]string, remove []string) error {
	name, err := groupName(&id, nil)
	if err != nil {
		return err
	}
	return s.store.changeGroup(ctx, placeOf(c), name, func(g *group) error {
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, set)
		for _, k := range remove {
			delete(g.Tags, k)
		}
		if len(g.Tags) > tagsMax {
			return api.ErrTooManyTagsException("The resource has more than %d tags.", tagsMax)
		}
		return nil
	})
}

func (s *Service) listTagsForResource(ctx context.Context, c *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	name, err := groupName(in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	g, err := s.store.group(ctx, placeOf(c), name)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: orEmpty(g.Tags)}, nil
}

func (s *Service) listTagsLogGroup(ctx context.Context, c *service.Call, in *api.ListTagsLogGroupInput) (*api.ListTagsLogGroupOutput, error) {
	g, err := s.store.group(ctx, placeOf(c), *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsLogGroupOutput{Tags: orEmpty(g.Tags)}, nil
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
