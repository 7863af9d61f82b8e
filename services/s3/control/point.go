package control

import (
	"context"

	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/access"
	"moln.dev/moln/services/s3/config"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// pointsMax is how many access points a page lists.
const pointsMax = 1000

// networkOrigin is the only one there is.
const networkOrigin = "Internet"

func (h *Handlers) createAccessPoint(ctx context.Context, c *service.Call, in *api.CreateAccessPointInput) (*api.CreateAccessPointOutput, error) {
	name := smithy.Val(in.Name)
	if err := naming.CheckPoint(name); err != nil {
		return nil, err
	}
	switch {
	case in.VpcConfiguration != nil:
		return nil, s3err.NotImplemented("moln has no VPCs: access points are reached from everywhere, and their policies say by whom")
	case in.Scope != nil:
		return nil, invalidRequest("Scope is only supported for access points of directory buckets")
	}
	tags, err := merge(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	b, err := h.store.Bucket(ctx, smithy.Val(in.Bucket))
	if store.IsNoSuchBucket(err) {
		// S3's fault has members that this service's model does not know.
		return nil, s3err.NotFound("NoSuchBucket", "The specified bucket does not exist")
	}
	if err != nil {
		return nil, err
	}
	owner := c.Account
	if in.BucketAccountId != nil {
		owner = *in.BucketAccountId
	}
	if b.Account != owner {
		return nil, s3err.AccessDenied()
	}
	if b.Region != c.Region {
		return nil, invalidRequest("The bucket is in the region %s: create its access points there", b.Region)
	}
	p := &store.AccessPoint{
		Point: naming.Point{Region: c.Region, Account: c.Account, Name: name}, Bucket: b.Name, BID: b.ID, Owner: b.Account,
		Created: c.Now.UTC(), Public: store.PublicAccess{BlockACLs: true, IgnoreACLs: true, BlockPolicy: true, Restrict: true}, Tags: tags,
	}
	p.Alias = p.Point.Alias(h.ids.Lower(naming.AliasRandom))
	if conf := in.PublicAccessBlockConfiguration; conf != nil {
		p.Public = *blockOf(conf)
	}
	if err := h.store.CreatePoint(ctx, b, p); err != nil {
		return nil, err
	}
	return &api.CreateAccessPointOutput{AccessPointArn: new(p.ARN()), Alias: new(p.Alias)}, nil
}

func (h *Handlers) getAccessPoint(ctx context.Context, c *service.Call, in *api.GetAccessPointInput) (*api.GetAccessPointOutput, error) {
	p, err := h.store.Point(ctx, pointOf(c, in.Name))
	if err != nil {
		return nil, err
	}
	return &api.GetAccessPointOutput{
		Name: new(p.Name), Bucket: new(p.Bucket), NetworkOrigin: new(networkOrigin), PublicAccessBlockConfiguration: blockAPI(&p.Public),
		CreationDate: new(p.Created), Alias: new(p.Alias), AccessPointArn: new(p.ARN()), BucketAccountId: new(p.Owner),
		Endpoints: map[string]string{
			"ipv4":      "s3-accesspoint." + p.Region + ".amazonaws.com",
			"dualstack": "s3-accesspoint.dualstack." + p.Region + ".amazonaws.com",
		},
	}, nil
}

func (h *Handlers) listAccessPoints(ctx context.Context, c *service.Call, in *api.ListAccessPointsInput) (*api.ListAccessPointsOutput, error) {
	limit := pointsMax
	if n := smithy.Val(in.MaxResults); n > 0 {
		limit = min(limit, int(n))
	}
	if in.DataSourceId != nil || in.DataSourceType != nil {
		return nil, s3err.NotImplemented("moln has access points of buckets only")
	}
	out := &api.ListAccessPointsOutput{AccessPointList: []api.AccessPoint{}}
	err := h.store.Points(ctx, c.Account, c.Region, smithy.Val(in.NextToken), func(p *store.AccessPoint) (bool, error) {
		if in.Bucket != nil && *in.Bucket != p.Bucket {
			return true, nil
		}
		if len(out.AccessPointList) == limit {
			out.NextToken = out.AccessPointList[limit-1].Name
			return false, nil
		}
		out.AccessPointList = append(out.AccessPointList, api.AccessPoint{
			Name: new(p.Name), NetworkOrigin: new(networkOrigin), Bucket: new(p.Bucket), AccessPointArn: new(p.ARN()),
			Alias: new(p.Alias), BucketAccountId: new(p.Owner),
		})
		return true, nil
	})
	return out, err
}

func (h *Handlers) deleteAccessPoint(ctx context.Context, c *service.Call, in *api.DeleteAccessPointInput) (*api.DeleteAccessPointOutput, error) {
	return nil, h.store.DeletePoint(ctx, pointOf(c, in.Name))
}

func (h *Handlers) putAccessPointPolicy(ctx context.Context, c *service.Call, in *api.PutAccessPointPolicyInput) (*api.PutAccessPointPolicyOutput, error) {
	p, document := pointOf(c, in.Name), smithy.Val(in.Policy)
	own := func(document []byte) bool { return access.OwnPoint(document, p.ARN()) }
	if err := config.CheckPolicy(document, own); err != nil {
		return nil, err
	}
	public := access.IsPublic([]byte(document))
	return nil, h.store.ChangePoint(ctx, p, func(p *store.AccessPoint) error {
		if public && p.Block().BlockPolicy {
			return s3err.AccessDenied()
		}
		p.Policy = document
		return nil
	})
}

func noPolicy() error {
	return s3err.NotFound("NoSuchAccessPointPolicy", "The specified accesspoint policy does not exist")
}

func (h *Handlers) getAccessPointPolicy(ctx context.Context, c *service.Call, in *api.GetAccessPointPolicyInput) (*api.GetAccessPointPolicyOutput, error) {
	p, err := h.store.Point(ctx, pointOf(c, in.Name))
	if err != nil {
		return nil, err
	}
	if p.Policy == "" {
		return nil, noPolicy()
	}
	return &api.GetAccessPointPolicyOutput{Policy: new(p.Policy)}, nil
}

func (h *Handlers) deleteAccessPointPolicy(ctx context.Context, c *service.Call, in *api.DeleteAccessPointPolicyInput) (*api.DeleteAccessPointPolicyOutput, error) {
	return nil, h.store.ChangePoint(ctx, pointOf(c, in.Name), func(p *store.AccessPoint) error {
		p.Policy = ""
		return nil
	})
}

func (h *Handlers) getAccessPointPolicyStatus(ctx context.Context, c *service.Call, in *api.GetAccessPointPolicyStatusInput) (*api.GetAccessPointPolicyStatusOutput, error) {
	p, err := h.store.Point(ctx, pointOf(c, in.Name))
	if err != nil {
		return nil, err
	}
	if p.Policy == "" {
		return nil, noPolicy()
	}
	return &api.GetAccessPointPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: new(p.IsPublic)}}, nil
}
