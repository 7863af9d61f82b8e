package main

import (
	"fmt"
	"slices"

	"moln.dev/moln/aws/smithy"
)

// pkg is one generated package before it is printed: the table, and the Go
// names that the table does not hold.
type pkg struct {
	source source
	table  smithy.Service
	model  *Model

	ids    map[string]smithy.ShapeID // model name -> index in table.Shapes
	goName map[string]string         // structure's model name -> Go type
	inName map[string]string         // operation -> model name of its input, "" for none
	outs   map[string]string
	alias  [][2]string // alias -> Go type
	fields map[string][]string
}

// kinds of the shapes that are not structures.
var kinds = map[string]smithy.Kind{
	"string": smithy.KindString, "character": smithy.KindString, "blob": smithy.KindBlob,
	"boolean": smithy.KindBoolean, "byte": smithy.KindInteger, "short": smithy.KindInteger,
	"integer": smithy.KindInteger, "long": smithy.KindLong, "float": smithy.KindFloat,
	"double": smithy.KindDouble, "bigInteger": smithy.KindBigNumber, "bigDecimal": smithy.KindBigNumber,
	"timestamp": smithy.KindTimestamp, "list": smithy.KindList, "map": smithy.KindMap,
	"structure": smithy.KindStructure,
}

var protocols = map[string]smithy.Protocol{
	"json1.0": smithy.AWSJSON10, "json1.1": smithy.AWSJSON11, "rest-json": smithy.RESTJSON1,
	"rest-xml": smithy.RESTXML, "query": smithy.AWSQuery, "ec2": smithy.EC2Query,
	"smithy-rpc-v2-cbor": smithy.RPCv2CBOR,
}

var locations = map[string]smithy.Location{
	"": smithy.InBody, "uri": smithy.InLabel, "querystring": smithy.InQuery, "header": smithy.InHeader,
	"headers": smithy.InPrefixHeaders, "statusCode": smithy.InStatusCode,
}

var timestamps = map[string]smithy.TimestampFormat{
	"": smithy.TimestampDefault, "iso8601": smithy.TimestampISO8601,
	"unixTimestamp": smithy.TimestampEpoch, "rfc822": smithy.TimestampRFC822,
}

// build makes the package of one service.
func build(s source, m *Model, iam *IAMData) (*pkg, error) {
	p := &pkg{
		source: s, model: m,
		ids: map[string]smithy.ShapeID{}, goName: map[string]string{},
		inName: map[string]string{}, outs: map[string]string{}, fields: map[string][]string{},
	}
	if err := p.service(); err != nil {
		return nil, err
	}
	if err := checkTraits(m); err != nil {
		return nil, err
	}
	p.splitMemberEnums()
	p.addEmptyShapes()
	p.number()
	p.nameTypes()
	for _, sh := range m.Shapes {
		if _, used := p.ids[sh.Name]; !used {
			continue
		}
		shape, err := p.shape(sh.Name, sh.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sh.Name, err)
		}
		p.table.Shapes = append(p.table.Shapes, shape)
	}
	for _, op := range m.Operations {
		operation, err := p.operation(op.Name, op.Value, iam)
		if err != nil {
			return nil, err
		}
		p.table.Operations = append(p.table.Operations, operation)
	}
	return p, nil
}

// checkTraits refuses a model that says what the tables cannot: a value that
// gen does not know would otherwise become the default.
func checkTraits(m *Model) error {
	check := func(shape, member string, r *Ref) error {
		if r == nil {
			return nil
		}
		if _, ok := locations[r.Location]; !ok {
			return fmt.Errorf("%s.%s: unknown location %q", shape, member, r.Location)
		}
		if _, ok := timestamps[r.TimestampFormat]; !ok {
			return fmt.Errorf("%s.%s: unknown timestamp format %q", shape, member, r.TimestampFormat)
		}
		if _, ok := m.Shapes.Get(r.Shape); !ok {
			return fmt.Errorf("%s.%s: no shape %q", shape, member, r.Shape)
		}
		return nil
	}
	for _, sh := range m.Shapes {
		if _, ok := timestamps[sh.Value.TimestampFormat]; !ok {
			return fmt.Errorf("%s: unknown timestamp format %q", sh.Name, sh.Value.TimestampFormat)
		}
		if p := sh.Value.Payload; p != "" {
			if _, ok := sh.Value.Members.Get(p); !ok {
				return fmt.Errorf("%s: no member for payload %q", sh.Name, p)
			}
		}
		for _, r := range []Named[*Ref]{{"member", sh.Value.Member}, {"key", sh.Value.Key}, {"value", sh.Value.Value}} {
			if err := check(sh.Name, r.Name, r.Value); err != nil {
				return err
			}
		}
		for _, r := range sh.Value.Members {
			if err := check(sh.Name, r.Name, r.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pkg) service() error {
	meta := p.model.Metadata
	p.table = smithy.Service{
		Name: p.source.name, ID: meta.ServiceID, SigningName: meta.SigningName,
		EndpointPrefix: meta.EndpointPrefix, TargetPrefix: meta.TargetPrefix, Version: meta.APIVersion,
		XMLNamespace: meta.XMLNamespace, QueryCompat: meta.AWSQueryCompatible != nil, IAMPrefix: p.source.iam,
	}
	if p.table.SigningName == "" {
		p.table.SigningName = meta.EndpointPrefix
	}
	names := meta.Protocols
	if len(names) == 0 {
		names = []string{meta.Protocol}
	}
	for _, name := range names {
		if name == "json" {
			name += meta.JSONVersion
		}
		protocol, ok := protocols[name]
		if !ok {
			return fmt.Errorf("unknown protocol %q", name)
		}
		p.table.Protocols = append(p.table.Protocols, protocol)
	}
	return nil
}

// speaks reports whether the service's preferred protocol is one of those.
func (p *pkg) speaks(protocols ...smithy.Protocol) bool {
	return slices.Contains(protocols, p.table.Protocols[0])
}

// splitMemberEnums gives a member that narrows its shape to an enumeration a
// shape of its own.
func (p *pkg) splitMemberEnums() {
	var extra Ordered[*Shape]
	for _, sh := range p.model.Shapes {
		for _, m := range sh.Value.Members {
			if m.Value.Enum == nil {
				continue
			}
			name := sh.Name + m.Name
			base, _ := p.model.Shapes.Get(m.Value.Shape)
			narrowed := *base
			narrowed.Enum = m.Value.Enum
			extra = append(extra, Named[*Shape]{name, &narrowed})
			m.Value.Shape = name
		}
	}
	p.model.Shapes = append(p.model.Shapes, extra...)
}

// addEmptyShapes gives every operation an input and an output.
func (p *pkg) addEmptyShapes() {
	add := func(name string) *Ref {
		p.model.Shapes = append(p.model.Shapes, Named[*Shape]{name, &Shape{Type: "structure"}})
		return &Ref{Shape: name}
	}
	for _, op := range p.model.Operations {
		if op.Value.Input == nil {
			op.Value.Input = add(op.Name + "Input")
		}
		if op.Value.Output == nil {
			op.Value.Output = add(op.Name + "Output")
		}
	}
}

// number gives an index to every shape that an operation reaches, and to every
// exception, in the model's order.
func (p *pkg) number() {
	used := map[string]bool{}
	var reach func(r *Ref)
	reach = func(r *Ref) {
		if r == nil || used[r.Shape] {
			return
		}
		used[r.Shape] = true
		sh, ok := p.model.Shapes.Get(r.Shape)
		if !ok {
			panic("model refers to missing shape " + r.Shape)
		}
		for _, m := range sh.Members {
			reach(m.Value)
		}
		reach(sh.Member)
		reach(sh.Key)
		reach(sh.Value)
	}
	for _, op := range p.model.Operations {
		reach(op.Value.Input)
		reach(op.Value.Output)
		for _, e := range op.Value.Errors {
			reach(e)
		}
	}
	for _, sh := range p.model.Shapes {
		if sh.Value.Exception {
			reach(&Ref{Shape: sh.Name})
		}
	}
	for _, sh := range p.model.Shapes {
		if used[sh.Name] {
			p.ids[sh.Name] = smithy.ShapeID(len(p.ids))
		}
	}
}

// nameTypes gives every structure its Go type. An input or output that serves
// one operation takes the operation's name; one that is shared keeps its own
// and gets an alias.
func (p *pkg) nameTypes() {
	names := scope{"Schema": "the table"}
	for _, op := range p.model.Operations {
		names[op.Name] = "operation"
	}
	uses := p.countUses()
	for _, op := range p.model.Operations {
		for suffix, ref := range map[string]*Ref{"Input": op.Value.Input, "Output": op.Value.Output} {
			want := op.Name + suffix
			names[want] = "operation " + op.Name
			if uses[ref.Shape] == 1 || ref.Shape == want {
				p.goName[ref.Shape] = want
			}
		}
	}
	for _, sh := range p.model.Shapes {
		_, used := p.ids[sh.Name]
		if used && sh.Value.Type == "structure" && !sh.Value.Document && p.goName[sh.Name] == "" {
			p.goName[sh.Name] = names.free(exported(sh.Name), "Type", "shape "+sh.Name)
		}
	}
	for _, op := range p.model.Operations {
		for _, a := range [][2]string{{op.Name + "Input", op.Value.Input.Shape}, {op.Name + "Output", op.Value.Output.Shape}} {
			if p.goName[a[1]] != a[0] {
				p.alias = append(p.alias, [2]string{a[0], p.goName[a[1]]})
			}
		}
	}
}

// countUses counts the references to each shape.
func (p *pkg) countUses() map[string]int {
	uses := map[string]int{}
	count := func(r *Ref) {
		if r != nil {
			uses[r.Shape]++
		}
	}
	for _, op := range p.model.Operations {
		count(op.Value.Input)
		count(op.Value.Output)
		for _, e := range op.Value.Errors {
			count(e)
		}
	}
	for _, sh := range p.model.Shapes {
		if _, used := p.ids[sh.Name]; !used {
			continue
		}
		for _, m := range sh.Value.Members {
			count(m.Value)
		}
		count(sh.Value.Member)
		count(sh.Value.Value)
		if sh.Value.Exception {
			uses[sh.Name] += 2 // an exception keeps its name
		}
	}
	return uses
}

func (p *pkg) shape(name string, sh *Shape) (smithy.Shape, error) {
	kind, ok := kinds[sh.Type]
	if !ok {
		return smithy.Shape{}, fmt.Errorf("unknown type %q", sh.Type)
	}
	switch {
	case sh.Document:
		kind = smithy.KindDocument
	case sh.Union, sh.EventStream:
		kind = smithy.KindUnion
	}
	out := smithy.Shape{
		Name: name, Kind: kind, Payload: -1, XMLName: sh.LocationName, EventStream: sh.EventStream,
		Timestamp: timestamps[sh.TimestampFormat], Constraints: constraints(sh), Error: p.errorTrait(name, sh),
	}
	if sh.XMLNamespace != nil {
		out.XMLNS = sh.XMLNamespace.URI
	}
	out.Flags = flags(sh.Flattened, smithy.Flattened) | flags(sh.Sensitive, smithy.Sensitive) | flags(sh.Streaming, smithy.Streaming)
	switch kind {
	case smithy.KindList:
		out.Members = []smithy.Member{p.member("member", sh.Member)}
	case smithy.KindMap:
		out.Members = []smithy.Member{p.member("key", sh.Key), p.member("value", sh.Value)}
	case smithy.KindStructure, smithy.KindUnion:
		return out, p.structure(&out, name, sh)
	}
	return out, nil
}

func (p *pkg) structure(out *smithy.Shape, name string, sh *Shape) error {
	taken := scope{}
	for i, m := range sh.Members {
		member := p.member(m.Name, m.Value)
		member.Field = uint16(i)
		if slices.Contains(sh.Required, m.Name) {
			member.Flags |= smithy.Required
		}
		if m.Name == sh.Payload {
			member.Location = smithy.InPayload
			out.Payload = int8(i)
		}
		out.Members = append(out.Members, member)
		field := exported(m.Name)
		if err := taken.claim(field, m.Name); err != nil {
			return err
		}
		p.fields[name] = append(p.fields[name], field)
	}
	if out.Error != nil && p.goName[name] != name {
		return fmt.Errorf("exception has Go type %s; faults are found by the shape's name", p.goName[name])
	}
	return nil
}

// member makes a member. Traits of the shape that it refers to are set on the
// member too, so that a codec need not look in two places.
func (p *pkg) member(name string, r *Ref) smithy.Member {
	to, _ := p.model.Shapes.Get(r.Shape)
	m := smithy.Member{
		Name: name, WireName: r.LocationName, QueryName: r.QueryName, Shape: p.ids[r.Shape],
		Location: locations[r.Location], Timestamp: timestamps[r.TimestampFormat],
	}
	flattened := r.Flattened || to.Flattened
	if m.WireName == "" {
		m.WireName = name
		// A flattened list writes its elements under the list's own name; the
		// query protocol and XML name them after the element where it has one.
		if flattened && to.Type == "list" && to.Member.LocationName != "" && p.speaks(smithy.AWSQuery, smithy.RESTXML) {
			m.WireName = to.Member.LocationName
		}
	}
	if m.Location == smithy.InQuery && to.Type == "map" {
		m.Location = smithy.InQueryMap
	}
	if m.Timestamp == smithy.TimestampDefault {
		m.Timestamp = timestamps[to.TimestampFormat]
	}
	if r.XMLNamespace != nil {
		m.XMLNS, m.XMLPrefix = r.XMLNamespace.URI, r.XMLNamespace.Prefix
	} else if to.XMLNamespace != nil {
		m.XMLNS, m.XMLPrefix = to.XMLNamespace.URI, to.XMLNamespace.Prefix
	}
	m.Flags = flags(r.IdempotencyToken, smithy.IdempotencyToken) | flags(r.XMLAttribute, smithy.XMLAttribute) |
		flags(flattened, smithy.Flattened) | flags(r.Streaming || to.Streaming, smithy.Streaming) |
		flags(r.JSONValue, smithy.JSONValue) | flags(r.HostLabel, smithy.HostLabel) |
		flags(r.EventHeader, smithy.EventHeader) | flags(r.XMLText, smithy.XMLText) | flags(r.EventPayload, smithy.EventPayload) |
		flags(r.Sensitive || to.Sensitive, smithy.Sensitive)
	return m
}

func flags(set bool, f smithy.MemberFlags) smithy.MemberFlags {
	if set {
		return f
	}
	return 0
}

func constraints(sh *Shape) *smithy.Constraints {
	if sh.Min == nil && sh.Max == nil && sh.Pattern == "" && sh.Enum == nil {
		return nil
	}
	c := &smithy.Constraints{Pattern: sh.Pattern, Enum: sh.Enum}
	if sh.Min != nil {
		c.Min, c.HasMin = *sh.Min, true
	}
	if sh.Max != nil {
		c.Max, c.HasMax = *sh.Max, true
	}
	return c
}

// errorTrait settles an exception's code and status. The JSON protocols name
// errors by shape; the query protocol by a code of its own, which JSON services
// that were query services once still send in a header.
func (p *pkg) errorTrait(name string, sh *Shape) *smithy.ErrorTrait {
	if !sh.Exception {
		return nil
	}
	e := &smithy.ErrorTrait{Code: name, Status: 400}
	if sh.Fault {
		e.Status = 500
	}
	if sh.Error != nil {
		if sh.Error.HTTPStatusCode != 0 {
			e.Status = sh.Error.HTTPStatusCode
		}
		e.Query = sh.Error.QueryCode
		if code := sh.Error.Code; code != "" && code != name {
			if p.speaks(smithy.AWSQuery) {
				e.Code = code
			} else if p.table.QueryCompat {
				e.Query = code
			}
		}
	}
	e.Sender = e.Status < 500 && !sh.Fault
	if sh.Error != nil && sh.Error.SenderFault != nil {
		e.Sender = *sh.Error.SenderFault
	}
	return e
}

func (p *pkg) operation(name string, op *Operation, iam *IAMData) (smithy.Operation, error) {
	out := smithy.Operation{
		Name: name, Method: op.HTTP.Method, URI: op.HTTP.RequestURI, Status: op.HTTP.ResponseCode,
		Input: p.ids[op.Input.Shape], Output: p.ids[op.Output.Shape],
		ResultWrapper: op.Output.ResultWrapper, InputName: op.Input.LocationName, Deprecated: op.Deprecated,
	}
	if out.Status == 0 {
		out.Status = 200
	}
	if out.ResultWrapper == "" && slices.Contains(p.table.Protocols, smithy.AWSQuery) {
		out.ResultWrapper = name + "Result"
	}
	if op.Input.XMLNamespace != nil {
		out.InputNS = op.Input.XMLNamespace.URI
	}
	for _, e := range op.Errors {
		out.Errors = append(out.Errors, p.ids[e.Shape])
	}
	if op.AuthType == "none" || slices.Equal(op.Auth, []string{"smithy.api#noAuth"}) {
		out.Auth = smithy.AuthNone
	}
	in, output := p.table.Shape(out.Input), p.table.Shape(out.Output)
	out.StreamIn = p.streams(in)
	out.StreamOut = p.streams(output)
	for _, m := range output.Members {
		out.EventOut = out.EventOut || p.table.Shape(m.Shape).EventStream
	}
	if out.Auth == smithy.AuthSigV4 {
		actions, _, err := actionsOf(p.source.name, p.source.iam, &out, iam)
		if err != nil {
			return out, err
		}
		out.Actions = actions
	}
	out.ReadOnly = readOnly(&out, iam)
	return out, nil
}

// streams reports whether the body of a structure is a blob that is not read
// into memory.
func (p *pkg) streams(sh *smithy.Shape) bool {
	return sh.Payload >= 0 && sh.Members[sh.Payload].Has(smithy.Streaming) &&
		p.table.Shape(sh.Members[sh.Payload].Shape).Kind == smithy.KindBlob
}
