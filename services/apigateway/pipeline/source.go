package pipeline

import (
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/services/apigateway/vtl"
)

// validSource reports whether a mapping expression reads from one of the roots,
// or is a 'literal'.
func validSource(s string, roots ...string) bool {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return true
	}
	for _, root := range roots {
		if strings.HasPrefix(s, root+".") {
			return true
		}
	}
	return false
}

// source evaluates a mapping expression over the request; false when it reads
// something that is not there.
func (x *exchange) source(s string) (string, bool) {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return s[1 : len(s)-1], true
	}
	root, rest, _ := strings.Cut(s, ".")
	switch root {
	case "stageVariables":
		v, ok := x.stage.Variables[rest]
		return v, ok
	case "context":
		return x.contextValue(rest)
	case "method":
		rest, ok := strings.CutPrefix(rest, "request.")
		if !ok {
			return "", false
		}
		if rest == "body" {
			return string(x.req.Body), true
		}
		if path, ok := strings.CutPrefix(rest, "body."); ok {
			return bodyPath(x.req.Body, path)
		}
		where, name, _ := strings.Cut(rest, ".")
		v := x.param(where, name)
		return v, v != ""
	case "input":
		if name, ok := strings.CutPrefix(rest, "params("); ok {
			v := vtl.Text(mustParam(x.input(), strings.Trim(name, `'")`)))
			return v, v != ""
		}
	}
	return "", false
}

func mustParam(in *vtl.Input, name string) any {
	v, err := in.Call("params", []any{name})
	if err != nil {
		return ""
	}
	return v
}

// bodyPath reads a JSON path from a body.
func bodyPath(body []byte, path string) (string, bool) {
	v, err := vtl.ParseJSON(body)
	if err != nil {
		return "", false
	}
	p, err := vtl.ParsePath(path)
	if err != nil {
		return "", false
	}
	found, ok := p.Find(v)
	if !ok {
		return "", false
	}
	if s, isText := found.(string); isText {
		return s, true
	}
	return vtl.JSON(found), true
}

func (x *exchange) contextValue(path string) (string, bool) {
	if path == "error.messageString" {
		f := x.failed
		if f == nil {
			return "", false
		}
		return jsonText(f.message, f.null), true
	}
	var v any = x.contextMap()
	for _, name := range strings.Split(path, ".") {
		m, ok := v.(*vtl.Map)
		if !ok || !m.Has(name) {
			return "", false
		}
		v = m.Get(name)
	}
	if v == nil {
		return "", false
	}
	return vtl.Text(v), true
}

// clf is the form of $context.requestTime.
const clf = "02/Jan/2006:15:04:05 -0700"

// contextMap is $context.
func (x *exchange) contextMap() *vtl.Map {
	if x.context == nil {
		x.context = x.newContext()
	}
	if f := x.failed; f != nil && !x.context.Has("error") {
		x.context.Put("error", vtl.NewMap().Put("message", f.message).Put("messageString", jsonText(f.message, f.null)).
			Put("responseType", string(f.kind)).Put("validationErrorString", f.validation))
	}
	return x.context
}

func (x *exchange) newContext() *vtl.Map {
	r := x.req
	c := vtl.NewMap()
	c.Put("accountId", x.stage.Account).Put("apiId", x.api.id).Put("stage", x.stage.Name).Put("deploymentId", x.stage.DeploymentID)
	c.Put("httpMethod", r.Method).Put("path", r.FullPath).Put("protocol", r.Protocol).Put("domainName", r.Host).Put("domainPrefix", domainPrefix(r.Host))
	c.Put("requestId", r.RequestID).Put("extendedRequestId", r.ExtendedID)
	c.Put("requestTime", r.Time.UTC().Format(clf)).Put("requestTimeEpoch", r.Time.UnixMilli())
	c.Put("identity", vtl.NewMap().Put("sourceIp", r.SourceIP).Put("userAgent", r.Header.Get("User-Agent")))
	if x.m != nil {
		c.Put("resourceId", x.m.resourceID).Put("resourcePath", x.m.resourcePath)
	}
	if x.auth != nil {
		c.Put("authorizer", x.auth.context)
	}
	c.Put("requestOverride", overrides("header", "path", "querystring"))
	c.Put("responseOverride", overrides("header"))
	return c
}

func overrides(names ...string) *vtl.Map {
	m := vtl.NewMap()
	for _, n := range names {
		m.Put(n, vtl.NewMap())
	}
	return m
}

func domainPrefix(host string) string {
	prefix, _, _ := strings.Cut(host, ".")
	return prefix
}

// input is $input on the request side.
func (x *exchange) input() *vtl.Input {
	in := &vtl.Input{Body: string(x.req.Body), Path: vtl.NewMap(), Querystring: vtl.NewMap(), Header: vtl.NewMap()}
	for k, v := range x.params {
		in.Path.Put(k, v)
	}
	for _, k := range sortedKeys(x.req.Query) {
		in.Querystring.Put(k, x.param("querystring", k))
	}
	for _, k := range sortedKeys(x.req.Header) {
		in.Header.Put(k, x.param("header", k))
	}
	return in
}

func (x *exchange) variables() *vtl.Map {
	m := vtl.NewMap()
	for _, k := range sortedKeys(x.stage.Variables) {
		m.Put(k, x.stage.Variables[k])
	}
	return m
}

// render runs a template over in.
func (x *exchange) render(t *vtl.Template, in *vtl.Input) (string, error) {
	return t.Execute(map[string]any{"input": in, "util": vtl.Util{}, "context": x.contextMap(), "stageVariables": x.variables()})
}

// clockText prints a NumericDate claim as REST APIs do.
func clockText(seconds string) (string, bool) {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return "", false
	}
	return time.Unix(n, 0).UTC().Format("Mon Jan 02 15:04:05 MST 2006"), true
}
