package lambda

import (
	"context"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/image"
)

const (
	imageWithPackage = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
	packageWithImage = "Please don't provide ImageConfig when the intended function PackageType is Zip."
)

// checkPackage holds a new function to what its kind of package allows.
func checkPackage(in *api.CreateFunctionInput) error {
	fromS3 := in.Code.S3Bucket != nil || in.Code.S3Key != nil || in.Code.S3ObjectVersion != nil
	if smithy.Val(in.PackageType) != api.PackageTypeImage {
		switch {
		case hasImageConfig(in.ImageConfig):
			return fn.Invalid("%s", packageWithImage)
		case in.Handler == nil || in.Runtime == nil:
			return fn.Invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
		case in.Code.ImageUri != nil:
			return fn.Invalid("Please provide a source for function code.")
		}
		return nil
	}
	switch {
	case in.Handler != nil || in.Runtime != nil || len(in.Layers) > 0:
		return fn.Invalid("%s", imageWithPackage)
	case in.Code.ZipFile != nil || fromS3:
		return fn.Invalid("Please don't provide ZipFile or S3 parameters when the intended function PackageType is Image.")
	case smithy.Val(in.Code.ImageUri) == "":
		return fn.Invalid("Please provide ImageUri when the intended function PackageType is Image.")
	}
	return nil
}

func hasImageConfig(c *api.ImageConfig) bool {
	return c != nil && (c.WorkingDirectory != nil || len(c.Command)+len(c.EntryPoint) > 0)
}

// takeCode gets the code of a new function, its package or image.
func (s *Service) takeCode(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config, in *api.CreateFunctionInput) error {
	if in.Code.ImageUri == nil {
		p, err := s.packages.Fetch(ctx, c, sourceOf(in.Code), "CreateFunction")
		if err != nil {
			return err
		}
		defer p.Close()
		if g.Code, err = s.packages.Admit(ctx, p, true); err != nil {
			return err
		}
		return checkFit(g)
	}
	if len(in.Architectures) == 0 {
		g.Architectures = []string{image.Architecture()}
	}
	if err := s.takeImage(ctx, c, r, g, *in.Code.ImageUri); err != nil {
		return err
	}
	g.Image.Override(in.ImageConfig)
	return nil
}

// takeImage pins the image of a version.
func (s *Service) takeImage(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config, uri string) error {
	if err := s.engine.TakesImages(); err != nil {
		return err
	}
	pinned, err := s.engine.Images().Pin(ctx, c, r, uri, g.Architectures[0])
	if err != nil {
		return err
	}
	g.Image, g.Code = pinned, codeOf(pinned)
	return nil
}

// codeOf is what an image has of a package: a digest and no size.
func codeOf(i *fn.Image) fn.Code {
	return fn.Code{SHA256: strings.TrimPrefix(i.Digest, "sha256:")}
}

// updateImage is updateFunctionCode for a function that is made of an image.
func (s *Service) updateImage(ctx context.Context, c *service.Call, r fn.Ref, f *fn.Function, in *api.UpdateFunctionCodeInput) (func(*fn.Config), error) {
	switch {
	case in.ZipFile != nil || in.S3Bucket != nil || in.S3Key != nil || in.S3ObjectVersion != nil:
		return nil, fn.Invalid("Please don't provide ZipFile or S3 parameters when updating a function with packageType Image.")
	case smithy.Val(in.ImageUri) == "":
		return nil, fn.Invalid("Please provide ImageUri when updating a function with packageType Image.")
	}
	g := f.Latest
	if len(in.Architectures) == 1 {
		g.Architectures = in.Architectures
	}
	if err := s.takeImage(ctx, c, r, &g, *in.ImageUri); err != nil {
		return nil, err
	}
	return func(now *fn.Config) {
		fresh := *g.Image
		if now.Image != nil {
			fresh.Command, fresh.EntryPoint, fresh.WorkingDirectory = now.Image.Command, now.Image.EntryPoint, now.Image.WorkingDirectory
		}
		now.Image, now.Code = &fresh, g.Code
	}, nil
}

// checkConfiguration holds an update to what the function's package allows.
func checkConfiguration(f *fn.Function, in *api.UpdateFunctionConfigurationInput) error {
	switch {
	case f.Latest.Image != nil && (in.Handler != nil || in.Runtime != nil || len(in.Layers) > 0):
		return fn.Invalid("%s", imageWithPackage)
	case f.Latest.Image == nil && hasImageConfig(in.ImageConfig):
		return fn.Invalid("%s", packageWithImage)
	}
	return nil
}
