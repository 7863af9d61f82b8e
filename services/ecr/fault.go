package ecr

import (
	"strings"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/smithy"
)

// invalidInput words what breaks the model's constraints as ECR does, which tells
// of one thing at a time.
func invalidInput(_ *smithy.Operation, _ any, v []smithy.Violation) error {
	what := strings.TrimPrefix(v[0].Constraint, "Member ")
	if before, pattern, found := strings.Cut(what, " pattern: "); found {
		what = before + " '" + pattern + "'"
	}
	return invalidParameter(v[0].Path, what)
}

func noRepository(p place, name string) error {
	return api.ErrRepositoryNotFoundException("The repository with name '%s' does not exist in the registry with id '%s'", name, p.account)
}

func noImage(r *repository, id imageID) error {
	return api.ErrImageNotFoundException("The image with imageId %s does not exist within the repository with name '%s' in the registry with id '%s'", id, r.Name, r.at.account)
}

func noLayers(r *repository, digest string) error {
	return api.ErrLayersNotFoundException("The layers with digests '[%s]' do not exist in the repository with name '%s' in the registry with id '%s'", digest, r.Name, r.at.account)
}

func noReferenced(r *repository, digest string) error {
	return api.ErrReferencedImagesNotFoundException("The images with digests '[%s]' do not exist in the repository with name '%s' in the registry with id '%s'", digest, r.Name, r.at.account)
}

func noUpload(r *repository, id string) error {
	return api.ErrUploadNotFoundException("The upload with id '%s' does not exist in the repository with name '%s' in the registry with id '%s'", id, r.Name, r.at.account)
}

func invalidParameter(at, why string) error {
	return api.ErrInvalidParameterException("Invalid parameter at '%s' failed to satisfy constraint: '%s'", at, why)
}

// unsupported refuses a setting that would otherwise be stored and ignored.
func unsupported(at, what string) error {
	return invalidParameter(at, "moln does not support "+what)
}
