package ecr

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/smithy"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
)

// placeOf is where a request's repository is: registry is the account, the
// caller's own by default.
func placeOf(c *service.Call, registry *string) place {
	if r := smithy.Val(registry); r != "" {
		return place{r, c.Region}
	}
	return place{c.Account, c.Region}
}

// find gives the repository that a request names.
func (s *Service) find(ctx context.Context, c *service.Call, registry, name *string) (*repository, error) {
	p := placeOf(c, registry)
	r, err := s.store.repository(ctx, p, smithy.Val(name))
	if errors.Is(err, errAbsent) {
		return nil, noRepository(p, smithy.Val(name))
	}
	return r, err
}

// imageID names an image by digest, by tag, or by both.
type imageID struct{ digest, tag string }

func idOf(id api.ImageIdentifier) imageID {
	return imageID{smithy.Val(id.ImageDigest), smithy.Val(id.ImageTag)}
}

func (id imageID) api() api.ImageIdentifier {
	out := api.ImageIdentifier{}
	if id.digest != "" {
		out.ImageDigest = &id.digest
	}
	if id.tag != "" {
		out.ImageTag = &id.tag
	}
	return out
}

// String is how ECR's messages name an image.
func (id imageID) String() string {
	quote := func(s string) string {
		if s == "" {
			return "'null'"
		}
		return "'" + s + "'"
	}
	return fmt.Sprintf("{imageDigest:%s, imageTag:%s}", quote(id.digest), quote(id.tag))
}

// failure is why one image of several could not be found.
type failure struct{ code, reason string }

func (f *failure) api(id imageID) api.ImageFailure {
	named := id.api()
	return api.ImageFailure{ImageId: &named, FailureCode: &f.code, FailureReason: &f.reason}
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// look finds an image; the failure says why there is none.
func (s *Service) look(ctx context.Context, r *repository, id imageID) (*image, *failure, error) {
	switch {
	case id.digest == "" && id.tag == "":
		return nil, &failure{api.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null"}, nil
	case id.digest != "" && !engine.IsDigest(id.digest):
		return nil, &failure{api.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"}, nil
	case id.tag != "" && !tagForm.MatchString(id.tag):
		return nil, &failure{api.ImageFailureCodeInvalidImageTag, "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'"}, nil
	}
	missing := &failure{api.ImageFailureCodeImageNotFound, "Requested image not found"}
	digest := id.digest
	if id.tag != "" {
		tagged, err := s.store.tagged(ctx, r, id.tag)
		if errors.Is(err, errAbsent) {
			return nil, missing, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if digest != "" && digest != tagged {
			return nil, &failure{api.ImageFailureCodeImageTagDoesNotMatchDigest, "The tag provided does not match the image digest"}, nil
		}
		digest = tagged
	}
	i, err := s.store.image(ctx, r, digest)
	if errors.Is(err, errAbsent) {
		return nil, missing, nil
	}
	return i, nil, err
}

// cut makes a page of a list that has one more than limit where there are more.
func cut[T any](list []T, limit int, name func(T) string) ([]T, *string) {
	if len(list) <= limit {
		return list, nil
	}
	return list[:limit], new(name(list[limit-1]))
}

func limitOf(max *int32) int {
	if max == nil {
		return pageDefault
	}
	return int(*max)
}
