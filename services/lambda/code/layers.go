package code

import (
	"context"
	"encoding/base64"
	"os"

	"moln.dev/moln/engine/whole"
	"moln.dev/moln/services/lambda/code/archive"
	"moln.dev/moln/services/lambda/fn"
)

// OpenLayers returns the directory of a version's layers, "" where it has none:
// a layer's own, or that of several put over each other in their order, made
// once.
func (k *Packages) OpenLayers(ctx context.Context, g *fn.Config) (string, error) {
	var dirs []string
	for _, l := range g.Layers {
		dir, err := k.open(ctx, l.ARN, l.Code)
		if err != nil {
			return "", err
		}
		dirs = append(dirs, dir)
	}
	switch len(dirs) {
	case 0:
		return "", nil
	case 1:
		return dirs[0], nil
	}
	sum, err := base64.StdEncoding.DecodeString(g.MergedSum())
	if err != nil {
		return "", err
	}
	unlock := k.lock(string(sum))
	defer unlock()
	final := k.path(sum)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	return final, whole.Make(k.Dir, final, func(temp string) error { return archive.Merge(dirs, temp) })
}
