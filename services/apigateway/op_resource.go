package apigateway

import (
	"context"
	"regexp"
	"slices"
	"strings"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
)

// resourcesMax is how many resources an API may have.
const resourcesMax = 300

var partPattern = regexp.MustCompile(`^(?:[a-zA-Z0-9._\-:]+|\{[a-zA-Z0-9._\-:]+\+?\})$`)

func isVariable(part string) bool { return strings.HasPrefix(part, "{") }

func isGreedy(part string) bool { return strings.HasSuffix(part, "+}") }

// checkPart decides whether a path part may stand below parent (A1).
func checkPart(parent *api.Resource, siblings []api.Resource, self, part string) error {
	if !partPattern.MatchString(part) {
		return api.ErrBadRequestException("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	}
	if isGreedy(val(parent.PathPart)) {
		return api.ErrBadRequestException("Cannot create a child of a resource with a greedy path variable: %s", *parent.PathPart)
	}
	for _, r := range siblings {
		if val(r.ParentId) != val(parent.Id) || val(r.Id) == self {
			continue
		}
		if val(r.PathPart) == part {
			return api.ErrConflictException("Another resource with the same parent already has this name: %s", part)
		}
		if isVariable(part) && isVariable(val(r.PathPart)) {
			return api.ErrBadRequestException("A sibling (%s) of this resource already has a variable path part -- only one unique variable path part is allowed", *r.PathPart)
		}
	}
	return nil
}

func childPath(parent *api.Resource, part string) string {
	return strings.TrimSuffix(val(parent.Path), "/") + "/" + part
}

func (s *Service) createResource(ctx context.Context, c *service.Call, in *api.CreateResourceInput) (*api.Resource, error) {
	var out api.Resource
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		parent, err := loadResource(t, in.ParentId)
		if err != nil {
			return err
		}
		siblings, err := all[api.Resource](t, kindResource)
		if err != nil {
			return err
		}
		if err := checkPart(parent, siblings, "", val(in.PathPart)); err != nil {
			return err
		}
		if len(siblings) >= resourcesMax {
			return api.ErrLimitExceededException("Maximum number of resources for this API has been reached. Please contact AWS if you need additional resources.")
		}
		out = api.Resource{Id: new(s.deps.Ident.Lower(subIDLen)), ParentId: in.ParentId, PathPart: in.PathPart, Path: new(childPath(parent, *in.PathPart))}
		return t.save(kindResource, *out.Id, out)
	})
	return &out, err
}

func loadResource(t *apiTx, id *string) (*api.Resource, error) {
	r, err := load[api.Resource](t, kindResource, val(id))
	if err == nil && r == nil {
		return nil, errNoResource()
	}
	return r, err
}

// show hides the methods, or what they consist of, as GetResources does unless
// they are asked for.
func show(r api.Resource, embed []string) api.Resource {
	if slices.Contains(embed, "methods") {
		return r
	}
	methods := map[string]api.Method{}
	for m := range r.ResourceMethods {
		methods[m] = api.Method{}
	}
	r.ResourceMethods = nil
	if len(methods) > 0 {
		r.ResourceMethods = methods
	}
	return r
}

func (s *Service) getResource(ctx context.Context, c *service.Call, in *api.GetResourceInput) (*api.Resource, error) {
	var out api.Resource
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		r, err := loadResource(t, in.ResourceId)
		if err != nil {
			return err
		}
		out = show(*r, in.Embed)
		return nil
	})
	return &out, err
}

func (s *Service) getResources(ctx context.Context, c *service.Call, in *api.GetResourcesInput) (*api.GetResourcesOutput, error) {
	out := new(api.GetResourcesOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.Resource](t, kindResource)
		if err != nil {
			return err
		}
		out.Items, out.Position = page(list, func(r *api.Resource) string { return *r.Id }, in.Position, in.Limit)
		for i := range out.Items {
			out.Items[i] = show(out.Items[i], in.Embed)
		}
		return nil
	})
	return out, err
}

func (s *Service) updateResource(ctx context.Context, c *service.Call, in *api.UpdateResourceInput) (*api.Resource, error) {
	var out *api.Resource
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = loadResource(t, in.ResourceId); err != nil {
			return err
		}
		if err := apply(out, in.PatchOperations, "pathPart", "parentId"); err != nil {
			return err
		}
		list, err := all[api.Resource](t, kindResource)
		if err != nil {
			return err
		}
		if out.ParentId == nil {
			return api.ErrBadRequestException("Root resource cannot be updated")
		}
		return moveResource(t, list, out)
	})
	return out, err
}

// moveResource stores a resource under a new part or parent, and the paths of
// all below it.
func moveResource(t *apiTx, list []api.Resource, r *api.Resource) error {
	for up := r.ParentId; up != nil; {
		if *up == *r.Id {
			return api.ErrBadRequestException("Resources can't be moved below themselves")
		}
		i := slices.IndexFunc(list, func(o api.Resource) bool { return *o.Id == *up })
		if i < 0 {
			return errNoResource()
		}
		up = list[i].ParentId
	}
	i := slices.IndexFunc(list, func(o api.Resource) bool { return *o.Id == *r.ParentId })
	if err := checkPart(&list[i], list, *r.Id, val(r.PathPart)); err != nil {
		return err
	}
	r.Path = new(childPath(&list[i], *r.PathPart))
	if err := t.save(kindResource, *r.Id, r); err != nil {
		return err
	}
	for _, child := range list {
		if val(child.ParentId) != *r.Id {
			continue
		}
		if isGreedy(*r.PathPart) {
			return api.ErrBadRequestException("Cannot create a child of a resource with a greedy path variable: %s", *r.PathPart)
		}
		child.Path = nil
		if err := renamePath(t, list, r, child); err != nil {
			return err
		}
	}
	return nil
}

func renamePath(t *apiTx, list []api.Resource, parent *api.Resource, r api.Resource) error {
	r.Path = new(childPath(parent, *r.PathPart))
	for _, child := range list {
		if val(child.ParentId) == *r.Id {
			if err := renamePath(t, list, &r, child); err != nil {
				return err
			}
		}
	}
	return t.save(kindResource, *r.Id, r)
}

func (s *Service) deleteResource(ctx context.Context, c *service.Call, in *api.DeleteResourceInput) (*api.DeleteResourceOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		r, err := loadResource(t, in.ResourceId)
		if err != nil {
			return err
		}
		if r.ParentId == nil {
			return api.ErrBadRequestException("Root resource cannot be deleted")
		}
		list, err := all[api.Resource](t, kindResource)
		if err != nil {
			return err
		}
		return removeBelow(t, list, *r.Id)
	})
}

func removeBelow(t *apiTx, list []api.Resource, id string) error {
	for _, r := range list {
		if val(r.ParentId) == id {
			if err := removeBelow(t, list, *r.Id); err != nil {
				return err
			}
		}
	}
	return t.remove(kindResource, id)
}
