package cognitoidentity

import (
	"context"
	"strings"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize asks for the operation's action on the pool that the request names.
// Unsigned operations carry their own proof, a token, or are open to guests.
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	if op.Auth == smithy.AuthNone {
		return nil, nil
	}
	p, named, err := s.target(ctx, c, in)
	if err != nil {
		return nil, err
	}
	keys := requestTags(in)
	resource := "*"
	if named {
		resource = p.arn()
		up, err := get[pool](s.read(ctx), p.poolKey())
		if err != nil {
			return nil, err
		}
		if up != nil {
			for k, v := range up.Settings.IdentityPoolTags {
				keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
			}
		}
	}
	return []service.Check{{Action: "cognito-identity:" + op.Name, Resource: resource, Context: keys}}, nil
}

// target is the pool that a request is about, where it is about one.
func (s *Service) target(ctx context.Context, c *service.Call, in any) (place, bool, error) {
	switch in := in.(type) {
	case *api.DescribeIdentityPoolInput:
		return at(c, in.IdentityPoolId), true, nil
	case *api.UpdateIdentityPoolInput:
		return at(c, in.IdentityPoolId), true, nil
	case *api.DeleteIdentityPoolInput:
		return at(c, in.IdentityPoolId), true, nil
	case *api.SetIdentityPoolRolesInput:
		return at(c, in.IdentityPoolId), true, nil
	case *api.GetIdentityPoolRolesInput:
		return at(c, in.IdentityPoolId), true, nil
	case *api.ListIdentitiesInput:
		return at(c, in.IdentityPoolId), true, nil
	case *api.DescribeIdentityInput:
		p, err := get[place](s.read(ctx), identityRefKey(smithy.Val(in.IdentityId)))
		return smithy.Val(p), p != nil, err
	case *api.TagResourceInput:
		p, ok := parseARN(smithy.Val(in.ResourceArn))
		return p, ok, nil
	case *api.UntagResourceInput:
		p, ok := parseARN(smithy.Val(in.ResourceArn))
		return p, ok, nil
	case *api.ListTagsForResourceInput:
		p, ok := parseARN(smithy.Val(in.ResourceArn))
		return p, ok, nil
	}
	return place{}, false, nil
}

func requestTags(in any) policy.Keys {
	keys := policy.Keys{}
	var tags map[string]string
	switch in := in.(type) {
	case *api.CreateIdentityPoolInput:
		tags = in.IdentityPoolTags
	case *api.UpdateIdentityPoolInput:
		tags = in.IdentityPoolTags
	case *api.TagResourceInput:
		tags = in.Tags
	case *api.UntagResourceInput:
		keys["aws:tagkeys"] = in.TagKeys
	}
	for k, v := range tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
	}
	return keys
}
