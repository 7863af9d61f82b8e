package url

import (
	"context"
	"encoding/base64"
	"net"
	neturl "net/url"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

const (
	idLen      = 32
	idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
	timeLayout = "2006-01-02T15:04:05.000000Z"
	// markerPrefix makes a token of the function's own qualifier, which is empty.
	markerPrefix = "after "
)

// URLs answers requests about function URLs, and to them. Safe for concurrent
// use.
type URLs struct {
	deps   service.Deps
	store  fn.Store
	engine *run.Engine
	// check is a check on a function, without an action.
	check func(ctx context.Context, r fn.Ref) (service.Check, error)
}

// New makes them.
func New(d service.Deps, st fn.Store, e *run.Engine, check func(ctx context.Context, r fn.Ref) (service.Check, error)) *URLs {
	return &URLs{deps: d, store: st, engine: e, check: check}
}

// Operations are those on URLs.
func (u *URLs) Operations() []service.Operation { return table.Bind(u) }

var table = service.Table[*URLs]{
	service.Full(api.CreateFunctionUrlConfig, (*URLs).create),
	service.Full(api.DeleteFunctionUrlConfig, (*URLs).delete),
	service.Full(api.GetFunctionUrlConfig, (*URLs).get),
	service.Full(api.ListFunctionUrlConfigs, (*URLs).list),
	service.Full(api.UpdateFunctionUrlConfig, (*URLs).update),
}

// refOf is the function or alias that a request means: versions have no URLs.
func refOf(c *service.Call, name, qualifier *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, name, qualifier)
	if err == nil && (r.Qualifier == fn.Latest || fn.NumberPattern.MatchString(r.Qualifier)) {
		err = fn.Invalid("Function URLs are supported only on unqualified functions and aliases; versions and $LATEST have none.")
	}
	return r, err
}

func absent() error { return fn.NoResource("The resource you requested does not exist.") }

func (u *URLs) create(ctx context.Context, c *service.Call, in *api.CreateFunctionUrlConfigInput) (*api.CreateFunctionUrlConfigOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := checkCors(in.Cors); err != nil {
		return nil, err
	}
	f, err := u.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	if f.Latest.Tenancy != "" {
		return nil, fn.Invalid("Function URLs are not supported for functions that are enabled with tenancy configuration.")
	}
	made := fn.URL{
		ID: u.deps.Ident.Of(idAlphabet, idLen), AuthType: *in.AuthType, InvokeMode: api.InvokeModeBuffered,
		Cors: tidy(in.Cors), Created: c.Now, Modified: c.Now,
	}
	if in.InvokeMode != nil {
		made.InvokeMode = *in.InvokeMode
	}
	err = u.store.ChangeURL(ctx, r, func(_ fn.URL, ok bool) (*fn.URL, error) {
		if ok {
			return nil, fn.Conflict("Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", r.ARN())
		}
		return &made, nil
	})
	if err != nil {
		return nil, err
	}
	d := u.describe(r, &made)
	return &api.CreateFunctionUrlConfigOutput{
		FunctionUrl: d.FunctionUrl, FunctionArn: d.FunctionArn, AuthType: d.AuthType, Cors: d.Cors, CreationTime: d.CreationTime, InvokeMode: d.InvokeMode,
	}, nil
}

func (u *URLs) update(ctx context.Context, c *service.Call, in *api.UpdateFunctionUrlConfigInput) (*api.UpdateFunctionUrlConfigOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := checkCors(in.Cors); err != nil {
		return nil, err
	}
	var now fn.URL
	err = u.store.ChangeURL(ctx, r, func(old fn.URL, ok bool) (*fn.URL, error) {
		if !ok {
			return nil, absent()
		}
		now = old
		now.Modified = c.Now
		if in.AuthType != nil {
			now.AuthType = *in.AuthType
		}
		if in.InvokeMode != nil {
			now.InvokeMode = *in.InvokeMode
		}
		if in.Cors != nil {
			now.Cors = tidy(in.Cors)
		}
		return &now, nil
	})
	if err != nil {
		return nil, err
	}
	return (*api.UpdateFunctionUrlConfigOutput)(u.found(r, &now)), nil
}

func (u *URLs) get(ctx context.Context, c *service.Call, in *api.GetFunctionUrlConfigInput) (*api.GetFunctionUrlConfigOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := u.store.Function(ctx, r); err != nil {
		return nil, err
	}
	found, ok, err := u.store.URL(ctx, r)
	if err == nil && !ok {
		err = absent()
	}
	if err != nil {
		return nil, err
	}
	return u.found(r, &found), nil
}

func (u *URLs) delete(ctx context.Context, c *service.Call, in *api.DeleteFunctionUrlConfigInput) (*api.DeleteFunctionUrlConfigOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, u.store.ChangeURL(ctx, r, func(_ fn.URL, ok bool) (*fn.URL, error) {
		if !ok {
			return nil, absent()
		}
		return nil, nil
	})
}

func (u *URLs) list(ctx context.Context, c *service.Call, in *api.ListFunctionUrlConfigsInput) (*api.ListFunctionUrlConfigsOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := u.store.Function(ctx, r); err != nil {
		return nil, err
	}
	var marker *string
	if text := smithy.Val(in.Marker); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		after, ok := strings.CutPrefix(string(raw), markerPrefix)
		if err != nil || !ok {
			return nil, fn.Invalid("Invalid pagination token.")
		}
		marker = &after
	}
	found, more, err := u.store.URLs(ctx, r, marker, fn.PageSize(in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionUrlConfigsOutput{FunctionUrlConfigs: []api.FunctionUrlConfig{}}
	for i := range found {
		out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, u.describe(fn.At(r.Place, r.Name, found[i].Qualifier), &found[i].Value))
	}
	if more {
		out.NextMarker = new(base64.RawURLEncoding.EncodeToString([]byte(markerPrefix + found[len(found)-1].Qualifier)))
	}
	return out, nil
}

// describe is a URL as the API shows it.
func (u *URLs) describe(r fn.Ref, f *fn.URL) api.FunctionUrlConfig {
	return api.FunctionUrlConfig{
		FunctionUrl: new(u.address(r.Region, f.ID)), FunctionArn: new(r.ARN()), AuthType: &f.AuthType, InvokeMode: &f.InvokeMode, Cors: f.Cors,
		CreationTime: new(stamp(f.Created)), LastModifiedTime: new(stamp(f.Modified)),
	}
}

func (u *URLs) found(r fn.Ref, f *fn.URL) *api.GetFunctionUrlConfigOutput {
	d := u.describe(r, f)
	return &api.GetFunctionUrlConfigOutput{
		FunctionUrl: d.FunctionUrl, FunctionArn: d.FunctionArn, AuthType: d.AuthType, Cors: d.Cors,
		CreationTime: d.CreationTime, LastModifiedTime: d.LastModifiedTime, InvokeMode: d.InvokeMode,
	}
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }

// address is where the URL is reached: below localhost, which needs no DNS, or
// below the name of this moln's endpoint where that is a real one.
func (u *URLs) address(region, id string) string {
	scheme, host, port := "http", "localhost", u.deps.Site.Port
	if e, err := neturl.Parse(u.deps.Site.Endpoint); err == nil && e.Host != "" {
		scheme, port = e.Scheme, e.Port()
		if name := e.Hostname(); net.ParseIP(name) == nil {
			host = name
		}
	}
	host = id + ".lambda-url." + region + "." + host
	if port != "" {
		host = net.JoinHostPort(host, port)
	}
	return scheme + "://" + host + "/"
}

var corsMethods = []string{"*", "DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}

// checkCors is what the model does not say. Origins are "*" or what a browser
// would send.
func checkCors(c *api.Cors) error {
	if c == nil {
		return nil
	}
	for _, m := range c.AllowMethods {
		if !slices.Contains(corsMethods, m) {
			return fn.Invalid("Invalid method in AllowMethods: %s. You can use GET, PUT, POST, DELETE, HEAD, PATCH, and the wildcard character (*).", m)
		}
	}
	for _, o := range c.AllowOrigins {
		if o == "*" {
			continue
		}
		p, err := neturl.Parse(o)
		if err != nil || p.Scheme == "" || p.Host == "" || (p.Path != "" && p.Path != "/") {
			return fn.Invalid("Invalid origin in AllowOrigins: %s. An origin is a scheme and a host, such as https://www.example.com, or the wildcard character (*).", o)
		}
	}
	return nil
}

// tidy makes settings that say nothing none at all.
func tidy(c *api.Cors) *api.Cors {
	if c == nil || (c.AllowCredentials == nil && c.MaxAge == nil && len(c.AllowHeaders)+len(c.AllowMethods)+len(c.AllowOrigins)+len(c.ExposeHeaders) == 0) {
		return nil
	}
	out := *c
	for i, o := range out.AllowOrigins {
		out.AllowOrigins[i] = strings.TrimSuffix(o, "/")
	}
	return &out
}
