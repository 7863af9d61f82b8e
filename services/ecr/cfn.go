package ecr

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

// repositoryProperties are AWS::ECR::Repository's.
type repositoryProperties struct {
	RepositoryName, ImageTagMutability *string
	ImageTagMutabilityExclusionFilters []struct {
		ImageTagMutabilityExclusionFilterType, ImageTagMutabilityExclusionFilterValue string
	}
	ImageScanningConfiguration *api.ImageScanningConfiguration
	EncryptionConfiguration    *api.EncryptionConfiguration
	LifecyclePolicy            *struct{ LifecyclePolicyText, RegistryId *string }
	RepositoryPolicyText       any
	EmptyOnDelete              *bool
	Tags                       []struct{ Key, Value string }
}

func resources() []service.ResourceType {
	return []service.ResourceType{{
		Name: "AWS::ECR::Repository", New: func() any { return new(repositoryProperties) },
		Replace: []string{"RepositoryName", "EncryptionConfiguration"},
		Create:  createResource, Update: updateResource, Delete: deleteResource,
	}}
}

func (p *repositoryProperties) filters() []api.ImageTagMutabilityExclusionFilter {
	var out []api.ImageTagMutabilityExclusionFilter
	for _, f := range p.ImageTagMutabilityExclusionFilters {
		out = append(out, api.ImageTagMutabilityExclusionFilter{
			FilterType: new(f.ImageTagMutabilityExclusionFilterType), Filter: new(f.ImageTagMutabilityExclusionFilterValue),
		})
	}
	return out
}

// tags are the resource's own over the stack's.
func (p *repositoryProperties) tags(r *service.Resource) []api.Tag {
	all := r.TagsWith(p.Tags)
	var out []api.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, api.Tag{Key: &key, Value: new(all[key])})
	}
	return out
}

func createResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*repositoryProperties)
	name := p.RepositoryName
	if name == nil {
		name = new(lowerName(r))
	}
	out, err := service.Invoke(ctx, c, api.CreateRepository, &api.CreateRepositoryInput{
		RepositoryName: name, ImageTagMutability: p.ImageTagMutability, ImageTagMutabilityExclusionFilters: p.filters(),
		ImageScanningConfiguration: p.ImageScanningConfiguration, EncryptionConfiguration: p.EncryptionConfiguration, Tags: p.tags(r),
	})
	if f := fault.As(err); f != nil && f.Code == "RepositoryAlreadyExistsException" && p.RepositoryName == nil {
		err = nil // made by an earlier try of this creation
		var have *api.DescribeRepositoriesOutput
		if have, err = service.Invoke(ctx, c, api.DescribeRepositories, &api.DescribeRepositoriesInput{RepositoryNames: []string{*name}}); err == nil {
			out = &api.CreateRepositoryOutput{Repository: &have.Repositories[0]}
		}
	}
	if err != nil {
		return err
	}
	r.PhysicalID = *name
	r.Attributes = map[string]any{"Arn": *out.Repository.RepositoryArn, "RepositoryUri": *out.Repository.RepositoryUri}
	return putPolicies(ctx, c, r, &repositoryProperties{})
}

// nameMax leaves room in a name of 256.
const nameMax = 200

// lowerName is a generated name in the form of repositories'.
func lowerName(r *service.Resource) string {
	var out []rune
	for _, ch := range r.GeneratedName(nameMax) {
		if 'A' <= ch && ch <= 'Z' {
			ch += 'a' - 'A'
		}
		out = append(out, ch)
	}
	return string(out)
}

// putPolicies brings both policies of a repository from old to what the
// template says.
func putPolicies(ctx context.Context, c *service.Call, r *service.Resource, old *repositoryProperties) error {
	p, name := r.Properties.(*repositoryProperties), &r.PhysicalID
	switch {
	case reflect.DeepEqual(p.RepositoryPolicyText, old.RepositoryPolicyText):
	case p.RepositoryPolicyText == nil:
		if _, err := service.Invoke(ctx, c, api.DeleteRepositoryPolicy, &api.DeleteRepositoryPolicyInput{RepositoryName: name}); err != nil {
			return err
		}
	default:
		text, ok := p.RepositoryPolicyText.(string)
		if !ok {
			raw, err := json.Marshal(p.RepositoryPolicyText)
			if err != nil {
				return err
			}
			text = string(raw)
		}
		if _, err := service.Invoke(ctx, c, api.SetRepositoryPolicy, &api.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: &text}); err != nil {
			return err
		}
	}
	switch {
	case reflect.DeepEqual(p.LifecyclePolicy, old.LifecyclePolicy):
		return nil
	case p.LifecyclePolicy == nil:
		_, err := service.Invoke(ctx, c, api.DeleteLifecyclePolicy, &api.DeleteLifecyclePolicyInput{RepositoryName: name})
		return err
	}
	_, err := service.Invoke(ctx, c, api.PutLifecyclePolicy, &api.PutLifecyclePolicyInput{
		RepositoryName: name, RegistryId: p.LifecyclePolicy.RegistryId, LifecyclePolicyText: p.LifecyclePolicy.LifecyclePolicyText,
	})
	return err
}

func updateResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*repositoryProperties), r.Old.(*repositoryProperties)
	name := &r.PhysicalID
	mutability := api.ImageTagMutabilityMutable
	if p.ImageTagMutability != nil {
		mutability = *p.ImageTagMutability
	}
	_, err := service.Invoke(ctx, c, api.PutImageTagMutability, &api.PutImageTagMutabilityInput{
		RepositoryName: name, ImageTagMutability: &mutability, ImageTagMutabilityExclusionFilters: p.filters(),
	})
	if err != nil {
		return err
	}
	if p.ImageScanningConfiguration != nil {
		if _, err := service.Invoke(ctx, c, api.PutImageScanningConfiguration, &api.PutImageScanningConfigurationInput{RepositoryName: name, ImageScanningConfiguration: p.ImageScanningConfiguration}); err != nil {
			return err
		}
	}
	if err := updateTags(ctx, c, r, old); err != nil {
		return err
	}
	return putPolicies(ctx, c, r, old)
}

func updateTags(ctx context.Context, c *service.Call, r *service.Resource, old *repositoryProperties) error {
	resource, _ := r.Attributes["Arn"].(string)
	p := r.Properties.(*repositoryProperties)
	if gone := r.TagsGone(p.Tags, old.Tags); len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{ResourceArn: &resource, TagKeys: gone}); err != nil {
			return err
		}
	}
	want := p.tags(r)
	if len(want) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{ResourceArn: &resource, Tags: want})
	return err
}

func deleteResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, _ := r.Properties.(*repositoryProperties)
	in := &api.DeleteRepositoryInput{RepositoryName: &r.PhysicalID}
	if p != nil {
		in.Force = p.EmptyOnDelete
	}
	_, err := service.Invoke(ctx, c, api.DeleteRepository, in)
	if f := fault.As(err); f != nil && f.Code == "RepositoryNotFoundException" {
		return nil
	}
	return err
}
