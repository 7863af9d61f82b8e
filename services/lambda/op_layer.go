package lambda

import (
	"context"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/layers"
)

// ofLayers makes a handler of the table from one of the layers.
func ofLayers[In, Out any](h service.Handler[*layers.Layers, In, Out]) service.Handler[*Service, In, Out] {
	return func(s *Service, ctx context.Context, c *service.Call, in *In) (*Out, error) {
		return h(s.layers, ctx, c, in)
	}
}

// useLayers gives a version the layers of a request; nil arns leave what it has.
// What the version then has must fit together.
func (s *Service) useLayers(ctx context.Context, c *service.Call, g *fn.Config, arns []string) error {
	if arns == nil {
		return nil
	}
	uses, err := s.layers.Use(ctx, c, arns)
	if err != nil {
		return err
	}
	g.Layers = uses
	return checkFit(g)
}

// checkFit says whether a version's code and layers fit together, and on this
// host.
func checkFit(g *fn.Config) error {
	if err := layers.CheckSize(g.Code.Unpacked, g.Layers); err != nil {
		return err
	}
	return code.CheckMachine(g)
}
