package ecr

import (
	"encoding"
	"strings"
	"time"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/ecr/lifecycle"
)

// Limits, from "Amazon ECR service quotas".
const (
	tagsPerImageMax      = 1000
	tagsPerRepositoryMax = 50
	layerBytesMax        = 52_000 << 20
	partBytesMin         = 5 << 20 // but for the last one
	partBytesAdvised     = 10 << 20
	partsMax             = 4200
	pageDefault          = 100
)

// place is the account and region that keys begin with.
type place struct{ account, region string }

// repository is a named set of images.
type repository struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Created    time.Time         `json:"created"`
	Mutability string            `json:"mutability"`
	Exclusions []string          `json:"exclusions,omitempty"` // wildcards of tags
	Policy     string            `json:"policy,omitempty"`
	Lifecycle  string            `json:"lifecycle,omitempty"`
	Evaluated  time.Time         `json:"evaluated,omitzero"` // of the lifecycle policy
	Tags       map[string]string `json:"tags,omitempty"`

	at       place
	compiled *policy.Policy
}

// image is a manifest in a repository.
type image struct {
	Digest    string    `json:"digest"`
	MediaType string    `json:"mediaType"`
	Artifact  string    `json:"artifact,omitempty"`
	Manifest  string    `json:"manifest"`
	Tags      []string  `json:"tags,omitempty"` // E4
	Pushed    time.Time `json:"pushed"`
	Pulled    time.Time `json:"pulled,omitzero"`
	// Bytes are those of its layers, compressed.
	Bytes    int64    `json:"bytes"`
	Layers   []string `json:"layers,omitempty"`   // and the configuration
	Children []string `json:"children,omitempty"` // an index's images
	Parents  []string `json:"parents,omitempty"`  // the indexes that have it as a child
	Subject  string   `json:"subject,omitempty"`
}

// layer is content that a repository has.
type layer struct {
	Digest string    `json:"digest"`
	Bytes  int64     `json:"bytes"`
	Used   time.Time `json:"used"` // when an upload or an image named it last
}

// content is the bytes of a digest (E3), in one blob for each part of the upload.
type content struct {
	Parts []blob.Ref `json:"parts"`
	Bytes int64      `json:"bytes"`
	Uses  int        `json:"uses"`
}

// upload is a layer on its way in.
type upload struct {
	ID      string     `json:"id"`
	Created time.Time  `json:"created"`
	Parts   []blob.Ref `json:"parts,omitempty"`
	Bytes   int64      `json:"bytes"`
	Hash    []byte     `json:"hash,omitempty"` // state of SHA-256 after them
	// Short says that a part which was not the last was smaller than ECR's
	// operations allow.
	Short bool `json:"short,omitempty"`
}

func repositoryARN(p place, name string) string {
	return arn.ARN{Partition: arn.PartitionOf(p.region), Service: "ecr", Region: p.region, Account: p.account, Resource: "repository/" + name}.String()
}

// mutable says whether a tag may be given to another image.
func (r *repository) mutable(tag string) bool {
	excluded := false
	for _, pattern := range r.Exclusions {
		excluded = excluded || lifecycle.Match(pattern, tag)
	}
	switch r.Mutability {
	case api.ImageTagMutabilityImmutable:
		return false
	case api.ImageTagMutabilityImmutableWithExclusion:
		return excluded
	case api.ImageTagMutabilityMutableWithExclusion:
		return !excluded
	}
	return true
}

// host is where clients that made the call find the registry.
func (s *Service) host(c *service.Call, p place) string {
	aws := p.account + ".dkr.ecr." + p.region + ".amazonaws.com"
	if c.HTTP != nil && c.HTTP.Request != nil && strings.HasSuffix(c.HTTP.Request.Host, ".amazonaws.com") {
		return aws
	}
	_, host, found := strings.Cut(s.deps.Site.Endpoint, "://")
	if !found {
		return aws
	}
	return host
}

// describe is the repository as the API shows it.
func (s *Service) describe(c *service.Call, r *repository) api.Repository {
	return api.Repository{
		RepositoryArn: new(repositoryARN(r.at, r.Name)), RegistryId: &r.at.account, RepositoryName: &r.Name,
		RepositoryUri: new(s.host(c, r.at) + "/" + r.Name), CreatedAt: &r.Created,
		ImageTagMutability: &r.Mutability, ImageTagMutabilityExclusionFilters: filters(r.Exclusions),
		ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: new(false)},
		EncryptionConfiguration:    &api.EncryptionConfiguration{EncryptionType: new(api.EncryptionTypeAes256)},
	}
}

func filters(patterns []string) []api.ImageTagMutabilityExclusionFilter {
	var out []api.ImageTagMutabilityExclusionFilter
	for _, p := range patterns {
		out = append(out, api.ImageTagMutabilityExclusionFilter{FilterType: new(api.ImageTagMutabilityExclusionFilterTypeWildcard), Filter: &p})
	}
	return out
}

// describeImage is an image as the API shows it.
func describeImage(r *repository, i *image) api.ImageDetail {
	d := api.ImageDetail{
		RegistryId: &r.at.account, RepositoryName: &r.Name, ImageDigest: &i.Digest, ImageTags: i.Tags,
		ImageSizeInBytes: &i.Bytes, ImagePushedAt: &i.Pushed, ImageManifestMediaType: &i.MediaType, ImageStatus: new(api.ImageStatusActive),
	}
	if i.Artifact != "" {
		d.ArtifactMediaType = &i.Artifact
	}
	if !i.Pulled.IsZero() {
		d.LastRecordedPullTime = &i.Pulled
	}
	if i.Subject != "" {
		d.SubjectManifestDigest = &i.Subject
	}
	return d
}

// hashState is a SHA-256 that can be put away between two parts of an upload.
type hashState interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}
