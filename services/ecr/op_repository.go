package ecr

import (
	"context"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// repositoryIDLength makes two ids alike never.
const repositoryIDLength = 20

func (s *Service) createRepository(ctx context.Context, c *service.Call, in *api.CreateRepositoryInput) (*api.CreateRepositoryOutput, error) {
	if err := admitSettings(in.ImageScanningConfiguration, in.EncryptionConfiguration); err != nil {
		return nil, err
	}
	r := &repository{
		at: placeOf(c, in.RegistryId), ID: s.deps.Ident.Lower(repositoryIDLength), Name: *in.RepositoryName, Created: c.Now,
		Mutability: api.ImageTagMutabilityMutable,
	}
	if err := r.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	var err error
	if r.Tags, err = mergeTags(nil, in.Tags); err != nil {
		return nil, err
	}
	created, err := s.store.create(ctx, r)
	if err != nil {
		return nil, err
	}
	if !created {
		return nil, api.ErrRepositoryAlreadyExistsException("The repository with name '%s' already exists in the registry with id '%s'", r.Name, r.at.account)
	}
	return &api.CreateRepositoryOutput{Repository: new(s.describe(c, r))}, nil
}

// admitSettings refuses what moln does not do.
func admitSettings(scan *api.ImageScanningConfiguration, encryption *api.EncryptionConfiguration) error {
	if scan != nil && smithy.Val(scan.ScanOnPush) {
		return unsupported("imageScanningConfiguration", "scanning images")
	}
	if encryption != nil && (smithy.Val(encryption.EncryptionType) != api.EncryptionTypeAes256 || encryption.KmsKey != nil) {
		return unsupported("encryptionConfiguration", "keys of one's own for repositories")
	}
	return nil
}

func (r *repository) setMutability(mutability *string, exclusions []api.ImageTagMutabilityExclusionFilter) error {
	if mutability != nil {
		r.Mutability = *mutability
	}
	excluding := r.Mutability == api.ImageTagMutabilityImmutableWithExclusion || r.Mutability == api.ImageTagMutabilityMutableWithExclusion
	if excluding != (len(exclusions) > 0) {
		return invalidParameter("imageTagMutabilityExclusionFilters", "Exclusion filters go with IMMUTABLE_WITH_EXCLUSION and MUTABLE_WITH_EXCLUSION, and with no other setting")
	}
	r.Exclusions = nil
	for _, f := range exclusions {
		r.Exclusions = append(r.Exclusions, *f.Filter)
	}
	return nil
}

func (s *Service) describeRepositories(ctx context.Context, c *service.Call, in *api.DescribeRepositoriesInput) (*api.DescribeRepositoriesOutput, error) {
	out := &api.DescribeRepositoriesOutput{Repositories: []api.Repository{}}
	if len(in.RepositoryNames) > 0 {
		if in.NextToken != nil || in.MaxResults != nil {
			return nil, api.ErrInvalidParameterException("Invalid request parameters: nextToken and maxResults cannot be used with repositoryNames")
		}
		for _, name := range in.RepositoryNames {
			r, err := s.find(ctx, c, in.RegistryId, &name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, s.describe(c, r))
		}
		return out, nil
	}
	limit := limitOf(in.MaxResults)
	list, err := s.store.repositories(ctx, placeOf(c, in.RegistryId), smithy.Val(in.NextToken), limit)
	if err != nil {
		return nil, err
	}
	list, out.NextToken = cut(list, limit, func(r repository) string { return r.Name })
	for i := range list {
		out.Repositories = append(out.Repositories, s.describe(c, &list[i]))
	}
	return out, nil
}

func (s *Service) deleteRepository(ctx context.Context, c *service.Call, in *api.DeleteRepositoryInput) (*api.DeleteRepositoryOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	removed, err := s.store.remove(ctx, r, smithy.Val(in.Force))
	if err != nil {
		return nil, err
	}
	if !removed {
		return nil, api.ErrRepositoryNotEmptyException("The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", r.Name, r.at.account)
	}
	return &api.DeleteRepositoryOutput{Repository: new(s.describe(c, r))}, nil
}

func (s *Service) putImageTagMutability(ctx context.Context, c *service.Call, in *api.PutImageTagMutabilityInput) (*api.PutImageTagMutabilityOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	err = s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		return r.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutImageTagMutabilityOutput{
		RegistryId: &r.at.account, RepositoryName: &r.Name, ImageTagMutability: in.ImageTagMutability,
		ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters,
	}, nil
}

func (s *Service) putImageScanningConfiguration(ctx context.Context, c *service.Call, in *api.PutImageScanningConfigurationInput) (*api.PutImageScanningConfigurationOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if err := admitSettings(in.ImageScanningConfiguration, nil); err != nil {
		return nil, err
	}
	return &api.PutImageScanningConfigurationOutput{
		RegistryId: &r.at.account, RepositoryName: &r.Name, ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: new(false)},
	}, nil
}
