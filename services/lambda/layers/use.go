package layers

import (
	"context"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code/archive"
	"moln.dev/moln/services/lambda/fn"
)

// Use finds the versions that a function is to have, in their order, and makes
// sure that the caller may have them (Y2).
func (l *Layers) Use(ctx context.Context, c *service.Call, arns []string) ([]fn.LayerUse, error) {
	refs, err := parse(c.Region, arns)
	if err != nil {
		return nil, err
	}
	var out []fn.LayerUse
	for _, r := range refs {
		check, err := l.checkOn(ctx, r)
		if err != nil {
			return nil, err
		}
		check.Action = "lambda:GetLayerVersion"
		if err := c.Judge(ctx, check); err != nil {
			return nil, err
		}
		v, ok, err := l.load(ctx, r)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fn.NoLayerVersion(r.ARN())
		}
		out = append(out, fn.LayerUse{ARN: r.ARN(), Code: v.Code})
	}
	return out, nil
}

// parse reads the ARNs and judges them as a list.
func parse(region string, arns []string) ([]fn.LayerRef, error) {
	if len(arns) > fn.LayersMax {
		return nil, fn.Invalid("Cannot reference more than %d layers.", fn.LayersMax)
	}
	var out []fn.LayerRef
	seen := map[string]string{}
	for _, text := range arns {
		r, ok := fn.ParseLayerVersion(text)
		if !ok {
			return nil, fn.NoLayerVersion(text)
		}
		if r.Region != region {
			return nil, fn.Invalid("Layers are not in the same region as the function. Layers are expected to be in region %s.", region)
		}
		layer := fn.LayerRef{Place: r.Place, Name: r.Name}.ARN()
		if other, ok := seen[layer]; ok {
			return nil, fn.Invalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, text)
		}
		seen[layer] = text
		out = append(out, r)
	}
	return out, nil
}

// CheckSize says whether code and its layers fit together.
func CheckSize(codeBytes int64, uses []fn.LayerUse) error {
	var all int64
	for _, u := range uses {
		all += u.Unpacked
	}
	if all > archive.UnpackedMax {
		return fn.Invalid("Layers consume more than the available size of %d bytes", archive.UnpackedMax)
	}
	if all += codeBytes; len(uses) > 0 && all > archive.UnpackedMax {
		return fn.Invalid("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", archive.UnpackedMax, all)
	}
	return nil
}
