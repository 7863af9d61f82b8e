package wiretest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"sort"
	"time"

	"moln.dev/moln/aws/smithy"
)

// rawRef is a reference to a shape in botocore's form, with the traits of the
// member that refers.
type rawRef struct {
	Shape         string
	Location      string
	LocationName  string
	QueryName     string
	Flattened     bool
	XMLAttribute  bool
	JSONValue     bool
	Streaming     bool
	Timestamp     string `json:"timestampFormat"`
	XMLNamespace  rawNS
	ResultWrapper string
	Payload       string
}

type rawNS struct{ URI, Prefix string }

func (n *rawNS) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type plain rawNS
	return json.Unmarshal(b, (*plain)(n))
}

type rawShape struct {
	Type         string
	Members      map[string]rawRef
	Member       *rawRef
	Key, Value   *rawRef
	Required     []string
	Payload      string
	Location     string
	LocationName string
	Flattened    bool
	Streaming    bool
	Document     bool
	Union        bool
	EventStream  bool
	Timestamp    string `json:"timestampFormat"`
	XMLNamespace rawNS
	Exception    bool
	Error        *struct {
		HTTPStatusCode int
		Code           string
		SenderFault    bool
	}
}

type rawOperation struct {
	Name string
	HTTP struct {
		Method, RequestURI string
		ResponseCode       int
	}
	Input  *rawRef
	Output *rawRef
	Errors []rawRef
}

// unrollDepth is how often a shape may contain itself: StructOf cannot make
// recursive types, and no vector is deeper.
const unrollDepth = 5

// builder makes schema tables and Go types from a vector's shapes.
type builder struct {
	raw   map[string]rawShape
	svc   *smithy.Service
	depth map[string]int
}

type unsupported string

func (u unsupported) Error() string { return string(u) }

func formatOf(s string) smithy.TimestampFormat {
	switch s {
	case "iso8601":
		return smithy.TimestampISO8601
	case "unixTimestamp":
		return smithy.TimestampEpoch
	case "rfc822":
		return smithy.TimestampRFC822
	}
	return smithy.TimestampDefault
}

func kindOf(s rawShape) (smithy.Kind, reflect.Type, bool) {
	switch s.Type {
	case "string", "character":
		return smithy.KindString, reflect.TypeFor[string](), true
	case "blob":
		return smithy.KindBlob, reflect.TypeFor[[]byte](), true
	case "boolean":
		return smithy.KindBoolean, reflect.TypeFor[bool](), true
	case "byte", "short", "integer":
		return smithy.KindInteger, reflect.TypeFor[int32](), true
	case "long":
		return smithy.KindLong, reflect.TypeFor[int64](), true
	case "float":
		return smithy.KindFloat, reflect.TypeFor[float32](), true
	case "double":
		return smithy.KindDouble, reflect.TypeFor[float64](), true
	case "timestamp":
		return smithy.KindTimestamp, reflect.TypeFor[time.Time](), true
	}
	return 0, nil, false
}

// shape builds the named shape and returns its id and the type of its values in
// lists. ok is false where the recursion ends.
func (b *builder) shape(name string) (smithy.ShapeID, reflect.Type, bool) {
	raw, found := b.raw[name]
	if !found {
		panic(unsupported("shape " + name + " is missing from the vector"))
	}
	if raw.EventStream {
		panic(unsupported("event stream"))
	}
	id := smithy.ShapeID(len(b.svc.Shapes))
	sh := smithy.Shape{Name: name, Payload: -1, Timestamp: formatOf(raw.Timestamp), XMLName: raw.LocationName, XMLNS: raw.XMLNamespace.URI}
	if raw.Flattened {
		sh.Flags |= smithy.Flattened
	}
	if raw.Streaming {
		sh.Flags |= smithy.Streaming
	}
	if kind, t, simple := kindOf(raw); simple {
		sh.Kind = kind
		b.svc.Shapes = append(b.svc.Shapes, sh)
		return id, t, true
	}
	if b.depth[name] >= unrollDepth {
		return 0, nil, false
	}
	b.depth[name]++
	defer func() { b.depth[name]-- }()
	b.svc.Shapes = append(b.svc.Shapes, sh)
	t, ok := b.collection(&sh, raw)
	b.svc.Shapes[id] = sh
	return id, t, ok
}

func (b *builder) collection(sh *smithy.Shape, raw rawShape) (reflect.Type, bool) {
	switch raw.Type {
	case "list":
		sh.Kind = smithy.KindList
		m, t, ok := b.member("member", *raw.Member)
		sh.Members = []smithy.Member{m}
		if !ok {
			return nil, false
		}
		return reflect.SliceOf(t), true
	case "map":
		sh.Kind = smithy.KindMap
		k, _, _ := b.member("key", *raw.Key)
		v, t, ok := b.member("value", *raw.Value)
		sh.Members = []smithy.Member{k, v}
		if !ok {
			return nil, false
		}
		return reflect.MapOf(reflect.TypeFor[string](), t), true
	case "structure":
		return b.structure(sh, raw), true
	}
	panic(unsupported("shape type " + raw.Type))
}

func (b *builder) structure(sh *smithy.Shape, raw rawShape) reflect.Type {
	if raw.Document {
		sh.Kind = smithy.KindDocument
		return reflect.TypeFor[any]()
	}
	sh.Kind = smithy.KindStructure
	if raw.Union {
		sh.Kind = smithy.KindUnion
	}
	if raw.Exception || raw.Error != nil {
		sh.Error = &smithy.ErrorTrait{Code: sh.Name, Status: 400, Sender: true}
		if raw.Error != nil {
			sh.Error.Status = raw.Error.HTTPStatusCode
			sh.Error.Sender = raw.Error.SenderFault || raw.Error.HTTPStatusCode < 500
			if raw.Error.Code != "" {
				sh.Error.Code = raw.Error.Code
			}
		}
	}
	names := make([]string, 0, len(raw.Members))
	for n := range raw.Members {
		names = append(names, n)
	}
	sort.Strings(names)
	var fields []reflect.StructField
	for _, n := range names {
		m, t, ok := b.member(n, raw.Members[n])
		if !ok {
			continue
		}
		if n == raw.Payload {
			m.Location = smithy.InPayload
			sh.Payload = int8(len(sh.Members))
			target := b.svc.Shapes[m.Shape]
			if target.Kind == smithy.KindBlob && (m.Has(smithy.Streaming) || target.Flags&smithy.Streaming != 0) {
				t = reflect.TypeFor[io.Reader]()
			}
		}
		for _, r := range raw.Required {
			if r == n {
				m.Flags |= smithy.Required
			}
		}
		m.Field = uint16(len(fields))
		switch b.svc.Shapes[m.Shape].Kind {
		case smithy.KindBlob, smithy.KindList, smithy.KindMap, smithy.KindDocument:
		default:
			t = reflect.PointerTo(t)
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", len(fields)), Type: t})
		sh.Members = append(sh.Members, m)
	}
	return reflect.StructOf(fields)
}

func (b *builder) member(name string, ref rawRef) (smithy.Member, reflect.Type, bool) {
	m := smithy.Member{
		Name: name, WireName: name, QueryName: ref.QueryName, Timestamp: formatOf(ref.Timestamp),
		XMLNS: ref.XMLNamespace.URI, XMLPrefix: ref.XMLNamespace.Prefix,
	}
	if ref.LocationName != "" {
		m.WireName = ref.LocationName
	}
	if raw := b.raw[ref.Shape]; ref.Location == "" && raw.Location != "" {
		// The older vectors put a member's traits on its shape.
		ref.Location = raw.Location
		if ref.LocationName == "" && raw.LocationName != "" {
			ref.LocationName = raw.LocationName
			m.WireName = raw.LocationName
		}
	}
	var t reflect.Type
	var ok bool
	m.Shape, t, ok = b.shape(ref.Shape)
	if !ok {
		return m, nil, false
	}
	target := &b.svc.Shapes[m.Shape]
	switch ref.Location {
	case "uri":
		m.Location = smithy.InLabel
	case "querystring":
		m.Location = smithy.InQuery
		if target.Kind == smithy.KindMap {
			m.Location = smithy.InQueryMap
		}
	case "header":
		m.Location = smithy.InHeader
	case "headers":
		m.Location = smithy.InPrefixHeaders
		m.WireName = ref.LocationName
	case "statusCode":
		m.Location = smithy.InStatusCode
	}
	for flag, on := range map[smithy.MemberFlags]bool{
		smithy.Flattened: ref.Flattened, smithy.XMLAttribute: ref.XMLAttribute,
		smithy.JSONValue: ref.JSONValue, smithy.Streaming: ref.Streaming,
	} {
		if on {
			m.Flags |= flag
		}
	}
	return m, t, true
}

// model is one case's service, operation and Go types.
type model struct {
	svc     *smithy.Service
	op      *smithy.Operation
	in, out reflect.Type
	errors  map[string]reflect.Type
}

// empty returns the shape and type of an operation without members.
func (b *builder) ref(r *rawRef) (smithy.ShapeID, reflect.Type) {
	if r == nil {
		id := smithy.ShapeID(len(b.svc.Shapes))
		b.svc.Shapes = append(b.svc.Shapes, smithy.Shape{Name: "Unit", Kind: smithy.KindStructure, Payload: -1})
		return id, reflect.TypeFor[struct{}]()
	}
	if r.Payload != "" {
		raw := b.raw[r.Shape]
		raw.Payload = r.Payload
		b.raw = maps.Clone(b.raw)
		b.raw[r.Shape] = raw
	}
	id, t, ok := b.shape(r.Shape)
	if !ok {
		panic(unsupported("recursive operation shape"))
	}
	return id, t
}
