package layers

import (
	"context"
	"encoding/json"
	"strconv"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// pageMax is the most that one answer lists.
const pageMax = 50

func pageSize(n *int32) int {
	if n == nil || *n > pageMax || *n < 1 {
		return pageMax
	}
	return int(*n)
}

func item(r fn.LayerRef, v *version) api.LayerVersionsListItem {
	r.Number = v.Number
	return api.LayerVersionsListItem{
		LayerVersionArn: new(r.ARN()), Version: new(v.Number), Description: v.Description, CreatedDate: new(v.Created.UTC().Format(timeLayout)),
		CompatibleArchitectures: v.Architectures, CompatibleRuntimes: v.Runtimes, LicenseInfo: v.License,
	}
}

// versions gives a layer's versions, the newest first, below the number in
// before where that is not 0. It stops when see says so.
func (l *Layers) versions(ctx context.Context, r fn.LayerRef, before int64, see func(v *version) (more bool)) error {
	rng := kv.Prefix(tuple.Key(r.Account, r.Region, "lv", r.Name))
	rng.Reverse = true
	if before > 0 {
		r.Number = before
		rng.End = r.VersionKey()
	}
	return l.store.DB.Each(ctx, rng, func(it kv.Item) (bool, error) {
		var v version
		if err := json.Unmarshal(it.Value, &v); err != nil {
			return false, err
		}
		return see(&v), nil
	})
}

// ListVersions lists the versions of a layer that fit, the newest first.
func (l *Layers) ListVersions(ctx context.Context, c *service.Call, in *api.ListLayerVersionsInput) (*api.ListLayerVersionsOutput, error) {
	r, err := refOf(c, in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	var before int64
	if in.Marker != nil {
		if before, err = strconv.ParseInt(*in.Marker, 10, 64); err != nil || before < 1 {
			return nil, fn.Invalid("Invalid marker: %s", *in.Marker)
		}
	}
	out := &api.ListLayerVersionsOutput{LayerVersions: []api.LayerVersionsListItem{}}
	limit := pageSize(in.MaxItems)
	err = l.versions(ctx, r, before, func(v *version) bool {
		if !v.matches(in.CompatibleRuntime, in.CompatibleArchitecture) {
			return true
		}
		if n := len(out.LayerVersions); n == limit {
			out.NextMarker = new(strconv.FormatInt(*out.LayerVersions[n-1].Version, 10))
			return false
		}
		out.LayerVersions = append(out.LayerVersions, item(r, v))
		return true
	})
	return out, err
}

// List lists the layers that have a version which fits, with the newest such.
func (l *Layers) List(ctx context.Context, c *service.Call, in *api.ListLayersInput) (*api.ListLayersOutput, error) {
	base := tuple.Key(c.Account, c.Region, "l")
	rng := kv.Prefix(base)
	if in.Marker != nil {
		rng = rng.After(fn.LayerRef{Place: fn.PlaceOf(c), Name: *in.Marker}.Key())
	}
	out := &api.ListLayersOutput{Layers: []api.LayersListItem{}}
	limit := pageSize(in.MaxItems)
	err := l.store.DB.Each(ctx, rng, func(it kv.Item) (bool, error) {
		name, _, err := tuple.DecodeString(it.Key[len(base):])
		if err != nil {
			return false, err
		}
		r := fn.LayerRef{Place: fn.PlaceOf(c), Name: name}
		var newest *version
		err = l.versions(ctx, r, 0, func(v *version) bool {
			if v.matches(in.CompatibleRuntime, in.CompatibleArchitecture) {
				newest = v
			}
			return newest == nil
		})
		if err != nil || newest == nil {
			return err == nil, err
		}
		if n := len(out.Layers); n == limit {
			out.NextMarker = out.Layers[n-1].LayerName
			return false, nil
		}
		shown := item(r, newest)
		out.Layers = append(out.Layers, api.LayersListItem{LayerName: &name, LayerArn: new(r.ARN()), LatestMatchingVersion: &shown})
		return true, nil
	})
	return out, err
}
