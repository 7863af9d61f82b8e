package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Media types of manifests.
const (
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

const (
	// ManifestBytesMax is the largest manifest, as Amazon ECR has it.
	ManifestBytesMax = 4 << 20
	// descriptorsMax bounds the layers of an image and the images of an index.
	descriptorsMax = 4200
)

// Descriptor names content by its digest.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// Platform is what an image of an index runs on.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

// Foreign says that a layer is fetched from elsewhere and kept in no registry.
func (d Descriptor) Foreign() bool {
	return len(d.URLs) > 0 || strings.Contains(d.MediaType, "foreign") || strings.Contains(d.MediaType, "nondistributable")
}

// Manifest is an image's, or with Manifests an index.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *Descriptor       `json:"config,omitempty"`
	Layers        []Descriptor      `json:"layers,omitempty"`
	Manifests     []Descriptor      `json:"manifests,omitempty"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// IsIndex says that the manifest lists images.
func (m *Manifest) IsIndex() bool { return m.MediaType == OCIIndex || m.MediaType == DockerIndex }

// Error says what is wrong with an image.
type Error string

func (e Error) Error() string { return string(e) }

func bad(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// IsBad says that err is about the image, and not about this machine.
func IsBad(err error) bool {
	_, ok := errors.AsType[Error](err)
	return ok
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// IsDigest says that s is a digest as this package understands them.
func IsDigest(s string) bool { return digestForm.MatchString(s) }

// Parse reads a manifest. mediaType is what came with it, or "" to take its own
// word. The result's MediaType is one of the four of this package.
func Parse(raw []byte, mediaType string) (*Manifest, error) {
	if len(raw) > ManifestBytesMax {
		return nil, bad("the manifest has %d bytes, more than %d", len(raw), ManifestBytesMax)
	}
	m := new(Manifest)
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, bad("the manifest is not JSON as it should be: %s", err)
	}
	if m.SchemaVersion != 2 {
		return nil, bad("manifests of schema version %d are not supported", m.SchemaVersion)
	}
	switch {
	case m.MediaType != "" && mediaType != "" && m.MediaType != mediaType:
		return nil, bad("the manifest says that it is %q and was sent as %q", m.MediaType, mediaType)
	case mediaType != "":
		m.MediaType = mediaType
	case m.MediaType == "" && m.Manifests != nil:
		m.MediaType = OCIIndex
	case m.MediaType == "":
		m.MediaType = OCIManifest
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	switch m.MediaType {
	case OCIManifest, DockerManifest:
		if m.Config == nil || m.Manifests != nil {
			return bad("the manifest has no configuration, or is an index")
		}
	case OCIIndex, DockerIndex:
		if m.Config != nil || m.Layers != nil {
			return bad("the index has a configuration or layers")
		}
	default:
		return bad("the media type %.200q is not supported", m.MediaType)
	}
	if len(m.Layers) > descriptorsMax || len(m.Manifests) > descriptorsMax {
		return bad("the manifest names more than %d layers or images", descriptorsMax)
	}
	all := append(append([]Descriptor{}, m.Layers...), m.Manifests...)
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	for _, d := range all {
		if !IsDigest(d.Digest) {
			return bad("%.100q is no digest", d.Digest)
		}
		if d.Size < 0 {
			return bad("%s has the size %d", d.Digest, d.Size)
		}
	}
	return nil
}

// Artifact is the type of what the manifest describes, where it is not an image
// to be run: its own word or its configuration's.
func (m *Manifest) Artifact() string {
	if m.ArtifactType != "" || m.Config == nil {
		return m.ArtifactType
	}
	return m.Config.MediaType
}

// Config is an image's configuration.
type Config struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
	Config       struct {
		Env        []string `json:"Env,omitempty"`
		Entrypoint []string `json:"Entrypoint,omitempty"`
		Cmd        []string `json:"Cmd,omitempty"`
		WorkingDir string   `json:"WorkingDir,omitempty"`
		User       string   `json:"User,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// ConfigBytesMax is the largest configuration that is read.
const ConfigBytesMax = 4 << 20

// ParseConfig reads a configuration.
func ParseConfig(raw []byte) (*Config, error) {
	if len(raw) > ConfigBytesMax {
		return nil, bad("the configuration has %d bytes, more than %d", len(raw), ConfigBytesMax)
	}
	c := new(Config)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, bad("the configuration is not JSON as it should be: %s", err)
	}
	for _, id := range c.RootFS.DiffIDs {
		if !IsDigest(id) {
			return nil, bad("%.100q is no digest", id)
		}
	}
	return c, nil
}
