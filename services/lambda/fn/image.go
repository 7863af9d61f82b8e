package fn

import (
	"context"
	"encoding/json"
	"slices"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Image is the container image that a version is made of, in place of a package.
// Tags move; what they named when the version was made stays.
type Image struct {
	URI      string `json:"uri"`      // as it was given
	Resolved string `json:"resolved"` // with the digest that it named then
	// Account, Region and Repository are where it is; Digest is the manifest's
	// for this host's platform.
	Account    string `json:"account"`
	Region     string `json:"region"`
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	// Overrides of what the image says (ImageConfig).
	Command          []string `json:"command,omitempty"`
	EntryPoint       []string `json:"entryPoint,omitempty"`
	WorkingDirectory string   `json:"workingDirectory,omitempty"`
}

// Override takes over an ImageConfig; nil leaves what is there.
func (i *Image) Override(c *api.ImageConfig) {
	if c == nil {
		return
	}
	i.Command, i.EntryPoint, i.WorkingDirectory = slices.Clone(c.Command), slices.Clone(c.EntryPoint), ""
	if c.WorkingDirectory != nil {
		i.WorkingDirectory = *c.WorkingDirectory
	}
}

// same says that two versions have one image and use it in one way.
func (i *Image) same(o *Image) bool {
	if i == nil || o == nil {
		return i == o
	}
	return i.Digest == o.Digest && i.Repository == o.Repository && i.Account == o.Account && i.WorkingDirectory == o.WorkingDirectory &&
		slices.Equal(i.Command, o.Command) && slices.Equal(i.EntryPoint, o.EntryPoint)
}

// describeImage makes out tell of an image where the function has one.
func describeImage(out *api.FunctionConfiguration, i *Image) {
	if i == nil {
		return
	}
	out.PackageType = new(api.PackageTypeImage)
	out.Runtime, out.Handler = nil, nil
	if len(i.Command)+len(i.EntryPoint) == 0 && i.WorkingDirectory == "" {
		return
	}
	c := &api.ImageConfig{Command: i.Command, EntryPoint: i.EntryPoint}
	if i.WorkingDirectory != "" {
		c.WorkingDirectory = new(i.WorkingDirectory)
	}
	out.ImageConfigResponse = &api.ImageConfigResponse{ImageConfig: c}
}

// Images returns the digest of every image that some version is made of.
func (s Store) Images(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.DB.Each(ctx, kv.Range{}, func(it kv.Item) (bool, error) {
		kind, rest := "", it.Key
		for range 3 {
			var err error
			if kind, rest, err = tuple.DecodeString(rest); err != nil {
				return true, nil // not of a place
			}
		}
		var record struct {
			Image  *Image `json:"image"`
			Latest struct {
				Image *Image `json:"image"`
			} `json:"latest"`
		}
		if kind != "f" && kind != "v" {
			return true, nil
		}
		if err := json.Unmarshal(it.Value, &record); err != nil {
			return false, err
		}
		for _, i := range []*Image{record.Image, record.Latest.Image} {
			if i != nil {
				out[i.Digest] = true
			}
		}
		return true, nil
	})
	return out, err
}
