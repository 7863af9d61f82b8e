// Package site serves what is not S3's API: the websites of buckets, and the
// preflight requests of browsers.
package site

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/read"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/website"
)

// websitePath is where websites are found without names in the DNS.
const websitePath = "/_aws/s3-website/"

// Site serves websites and preflight requests. It is safe for concurrent use.
type Site struct {
	store *store.Store
	read  *read.Handlers
	// domains are those at and below which a host is the bucket of its name.
	domains []string
}

// New returns the data planes of a store. Hosts at and below the domains are
// buckets of the same name, as behind a CNAME at AWS.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html#VirtualHostingCustomURLs
func New(st *store.Store, objects *read.Handlers, domains []string) *Site {
	return &Site{st, objects, domains}
}

// bucketOfHost finds the bucket whose website a host is.
func (s *Site) bucketOfHost(host string) (bucketName string, ok bool) {
	for _, domain := range s.domains {
		if rest, ok := strings.CutSuffix(host, domain); ok && (rest == "" || strings.HasSuffix(rest, ".")) {
			return host, true
		}
	}
	return website.BucketOfHost(host)
}

// Endpoints are where they are found.
func (s *Site) Endpoints() []service.Endpoint {
	return []service.Endpoint{s.websiteEndpoint(), s.preflightEndpoint()}
}

func (s *Site) websiteEndpoint() service.Endpoint {
	return service.Endpoint{
		Name: "s3-website",
		Match: func(r *http.Request, host string) bool {
			if strings.HasPrefix(r.URL.Path, websitePath) {
				return true
			}
			_, ok := s.bucketOfHost(host)
			return ok
		},
		Serve: s.serveWebsite,
	}
}

// visit is one request to a website.
type visit struct {
	s    *Site
	w    http.ResponseWriter
	r    *http.Request
	c    *service.Call
	b    *store.Bucket
	base string // what precedes keys in paths of this website
}

// Aim is the bucket and the key of a request to a website.
func (s *Site) Aim(r *http.Request) (name, key string) {
	if rest, ok := strings.CutPrefix(r.URL.Path, websitePath); ok {
		name, key, _ = strings.Cut(rest, "/")
		return name, key
	}
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	name, _ = s.bucketOfHost(host)
	return name, strings.TrimPrefix(r.URL.Path, "/")
}

func (s *Site) serveWebsite(w http.ResponseWriter, r *http.Request, c *service.Call) {
	v := &visit{s: s, w: w, r: r, c: c, base: "/"}
	name, key := s.Aim(r)
	if strings.HasPrefix(r.URL.Path, websitePath) {
		v.base = websitePath + name + "/"
	}
	w.Header().Set("x-amz-request-id", c.RequestID)
	w.Header().Set("x-amz-id-2", c.RequestID)
	if err := v.serve(r.Context(), name, key); err != nil {
		c.Log.Error("website", "bucket", name, "error", err)
		v.fail(website.Error{Status: 500, Code: "InternalError", Message: "We encountered an internal error. Please try again."}, nil)
	}
}

// serve answers; its error is ours.
func (v *visit) serve(ctx context.Context, name, key string) error {
	b, err := v.s.store.Bucket(ctx, name)
	if f := fault.As(err); f != nil {
		v.fail(website.Error{Status: f.Status, Code: f.Code, Message: f.Message, Details: [][2]string{{"BucketName", name}}}, nil)
		return nil
	}
	if err != nil {
		return err
	}
	v.b = b
	if v.r.Method == http.MethodOptions {
		v.s.preflight(v.w, v.r, v.c, b)
		return nil
	}
	op.AllowOrigin(v.c, b)
	for k, values := range v.c.HTTP.Header {
		v.w.Header()[k] = values
	}
	if b.Website == nil {
		v.fail(website.Error{Status: 404, Code: "NoSuchWebsiteConfiguration", Message: "The specified bucket does not have a website configuration", Details: [][2]string{{"BucketName", name}}}, nil)
		return nil
	}
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		v.fail(website.Error{Status: 405, Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource.", Details: [][2]string{{"Method", v.r.Method}, {"ResourceType", "OBJECT"}}}, nil)
		return nil
	}
	if all := b.Website.RedirectAllRequestsTo; all != nil {
		v.redirect(website.Redirection{Status: 301, Protocol: smithy.Val(all.Protocol), HostName: smithy.Val(all.HostName), Key: key})
		return nil
	}
	if rule := website.Rule(b.Website.RoutingRules, key, 0); rule != nil {
		var to website.Redirection
		to.Of(rule, key)
		v.redirect(to)
		return nil
	}
	return v.document(ctx, key)
}

// document answers a key, the index document below it, or the error.
func (v *visit) document(ctx context.Context, key string) error {
	index := smithy.Val(v.b.Website.IndexDocument.Suffix)
	want := key
	if key == "" || strings.HasSuffix(key, "/") {
		want = key + index
	}
	err := v.object(ctx, want, 0)
	f := fault.As(err)
	if f == nil {
		return err
	}
	if f.Status == http.StatusNotModified || f.Status == http.StatusPreconditionFailed || f.Status == http.StatusRequestedRangeNotSatisfiable {
		for k, values := range f.Header {
			v.w.Header()[k] = values
		}
		if f.Status == http.StatusNotModified {
			v.w.WriteHeader(f.Status)
			return nil
		}
		v.fail(website.ErrorOf(f, want), nil)
		return nil
	}
	if f.Status == http.StatusNotFound || f.Status == http.StatusForbidden {
		if want == key && v.exists(ctx, key+"/"+index) {
			v.redirect(website.Redirection{Status: http.StatusFound, Key: key + "/"})
			return nil
		}
	}
	if rule := website.Rule(v.b.Website.RoutingRules, key, f.Status); rule != nil {
		var to website.Redirection
		to.Of(rule, key)
		v.redirect(to)
		return nil
	}
	return v.errorDocument(ctx, website.ErrorOf(f, want))
}

// exists tells whether the visitor may read a key that is there.
func (v *visit) exists(ctx context.Context, key string) bool {
	o, err := v.s.store.Current(ctx, v.b, key)
	return err == nil && o != nil && !o.Marker && v.mayRead(ctx, key) == nil
}

// mayRead judges an anonymous s3:GetObject.
func (v *visit) mayRead(ctx context.Context, key string) error {
	o, err := op.Stored(ctx, v.s.store, v.b, op.Aim{Key: key})
	if err != nil {
		return err
	}
	if err := op.Pays(v.c, v.b, true); err != nil {
		return err
	}
	keys := op.RequestKeys(v.c)
	op.TagKeys(o, keys)
	return op.Ask{Bucket: v.b, Action: "s3:GetObject", Key: key, Object: o, Keys: keys}.Judge(ctx, v.c)
}

// object answers a key; status 0 is that of the read. A fault means that
// nothing was written.
func (v *visit) object(ctx context.Context, key string, status int) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if err := v.mayRead(ctx, key); err != nil {
		if fault.As(err) != nil {
			return s3err.AccessDenied()
		}
		return err
	}
	in := &api.GetObjectInput{Bucket: new(v.b.Name), Key: new(key)}
	if status == 0 {
		v.conditions(in)
	}
	for attempt := 1; ; attempt++ {
		sel, err := v.s.read.Select(ctx, v.c, v.b, in)
		if err != nil {
			return err
		}
		if to := sel.Object.Headers[store.HeaderRedirect]; to != "" && status == 0 {
			v.location(http.StatusMovedPermanently, to)
			return nil
		}
		if err := v.s.read.Touch(v.b, sel.Object, v.c.Now); err != nil {
			return err
		}
		if err := sse.Unlock(ctx, v.c, v.s.store, v.b, sel.Object, sse.Asked{}); err != nil {
			return err
		}
		body, err := v.s.store.Open(ctx, v.b, sel.Object, sel.At)
		if store.IsGone(err) && attempt < read.Attempts {
			continue
		}
		if err != nil {
			return err
		}
		v.write(sel, in, body, status)
		return nil
	}
}

// conditions reads the conditional headers and the range.
func (v *visit) conditions(in *api.GetObjectInput) {
	text := func(name string) *string {
		if s := v.r.Header.Get(name); s != "" {
			return new(s)
		}
		return nil
	}
	in.IfMatch, in.IfNoneMatch, in.Range = text("If-Match"), text("If-None-Match"), text("Range")
	if t, err := http.ParseTime(v.r.Header.Get("If-Modified-Since")); err == nil {
		in.IfModifiedSince = new(t)
	}
	if t, err := http.ParseTime(v.r.Header.Get("If-Unmodified-Since")); err == nil {
		in.IfUnmodifiedSince = new(t)
	}
}

func (v *visit) write(sel *read.Selected, in *api.GetObjectInput, body io.ReadCloser, status int) {
	defer body.Close()
	v.c.HTTP.Status = 0
	out := sel.Output(v.c, v.b, in, nil)
	if status == 0 {
		status = v.c.HTTP.Status
	}
	if status == 0 {
		status = http.StatusOK
	}
	h := v.w.Header()
	for name, p := range map[string]*string{
		"ETag": out.ETag, "Content-Type": out.ContentType, "Cache-Control": out.CacheControl, "Content-Disposition": out.ContentDisposition,
		"Content-Encoding": out.ContentEncoding, "Content-Language": out.ContentLanguage, "Expires": out.Expires,
		"Content-Range": out.ContentRange, "X-Amz-Version-Id": out.VersionId, "Accept-Ranges": out.AcceptRanges,
	} {
		if p != nil {
			h.Set(name, *p)
		}
	}
	for k, value := range sel.Object.Meta {
		h["x-amz-meta-"+k] = []string{value}
	}
	h.Set("Last-Modified", out.LastModified.Format(http.TimeFormat))
	h.Set("Content-Length", strconv.FormatInt(*out.ContentLength, 10))
	v.w.WriteHeader(status)
	if v.r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(v.w, body); err != nil {
		panic(http.ErrAbortHandler) // the status is sent: only this tells
	}
}

// errorDocument answers the bucket's own page for an error, or S3's.
func (v *visit) errorDocument(ctx context.Context, e website.Error) error {
	doc := v.b.Website.ErrorDocument
	if doc == nil || e.Status >= 500 {
		v.fail(e, nil)
		return nil
	}
	v.w.Header().Set("x-amz-error-code", e.Code)
	v.w.Header().Set("x-amz-error-message", e.Message)
	for _, d := range e.Details {
		v.w.Header().Set("x-amz-error-detail-"+d[0], d[1])
	}
	key := smithy.Val(doc.Key)
	err := v.object(ctx, key, e.Status)
	if f := fault.As(err); f != nil {
		v.fail(e, new(website.ErrorOf(f, key)))
		return nil
	}
	return err
}

// redirect sends the visitor to a key of this or another website.
func (v *visit) redirect(to website.Redirection) {
	path := (&url.URL{Path: to.Key}).EscapedPath()
	if to.HostName == "" && to.Protocol == "" {
		v.location(to.Status, v.base+path)
		return
	}
	protocol, host, base := to.Protocol, to.HostName, "/"
	if protocol == "" {
		protocol = "http"
		if v.r.TLS != nil {
			protocol = "https"
		}
	}
	if host == "" {
		host, base = v.r.Host, v.base
	}
	v.location(to.Status, protocol+"://"+host+base+path)
}

func (v *visit) location(status int, where string) {
	v.w.Header().Set("Location", where)
	v.w.Header().Set("Content-Length", "0")
	v.w.WriteHeader(status)
}

// fail answers S3's page for an error; custom is why the bucket's own could not
// be shown.
func (v *visit) fail(e website.Error, custom *website.Error) {
	page := website.Page(e, custom, v.c.RequestID)
	h := v.w.Header()
	h.Set("x-amz-error-code", e.Code)
	h.Set("x-amz-error-message", e.Message)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	v.w.WriteHeader(e.Status)
	if v.r.Method != http.MethodHead {
		io.WriteString(v.w, page)
	}
}
