package iam

import (
	"time"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/platform/service"
)

// rootCreated stands for the root user's creation, which nobody recorded.
var rootCreated = time.Unix(0, 0).UTC()

func userOf(c *service.Call, e entity) api.User {
	return api.User{
		UserName: new(e.Name), Path: new(e.Path), UserId: new(e.ID), Arn: new(e.arn(c.Account, user)),
		CreateDate: new(e.Created), PermissionsBoundary: boundaryOf(e), Tags: tagsOrNil(e.Tags),
	}
}

func groupOf(c *service.Call, e entity) api.Group {
	return api.Group{
		GroupName: new(e.Name), Path: new(e.Path), GroupId: new(e.ID), Arn: new(e.arn(c.Account, group)), CreateDate: new(e.Created),
	}
}

func roleOf(c *service.Call, e entity) api.Role {
	r := api.Role{
		RoleName: new(e.Name), Path: new(e.Path), RoleId: new(e.ID), Arn: new(e.arn(c.Account, role)),
		CreateDate: new(e.Created), AssumeRolePolicyDocument: escapeDocument(e.Trust),
		MaxSessionDuration: new(e.MaxSession), PermissionsBoundary: boundaryOf(e), Tags: tagsOrNil(e.Tags),
	}
	if e.Description != "" {
		r.Description = new(e.Description)
	}
	return r
}

func boundaryOf(e entity) *api.AttachedPermissionsBoundary {
	if e.Boundary == "" {
		return nil
	}
	return &api.AttachedPermissionsBoundary{
		PermissionsBoundaryType: new(api.PermissionsBoundaryAttachmentTypePermissionsBoundaryPolicy), PermissionsBoundaryArn: new(e.Boundary),
	}
}

func tagsOrNil(tags map[string]string) []api.Tag {
	if len(tags) == 0 {
		return nil
	}
	return tagList(tags)
}

func (m *managed) describe(account string, u uses) api.Policy {
	p := api.Policy{
		PolicyName: new(m.Name), PolicyId: new(m.ID), Arn: new(m.arn(account)), Path: new(m.Path),
		DefaultVersionId: new(m.Default), AttachmentCount: new(int32(u.attached)), PermissionsBoundaryUsageCount: new(int32(u.boundary)),
		IsAttachable: new(true), CreateDate: new(m.Created), UpdateDate: new(m.Updated), Tags: tagsOrNil(m.Tags),
	}
	if m.Description != "" {
		p.Description = new(m.Description)
	}
	return p
}

func (m *managed) describeVersion(v version, withDocument bool) api.PolicyVersion {
	out := api.PolicyVersion{VersionId: new(v.ID), IsDefaultVersion: new(v.ID == m.Default), CreateDate: new(v.Created)}
	if withDocument {
		out.Document = escapeDocument(v.Document)
	}
	return out
}
