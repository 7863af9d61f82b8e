package smithy

import "reflect"

// Kind is the type of a shape.
type Kind uint8

// The kinds of shapes that AWS's models use.
const (
	KindString Kind = iota
	KindBlob
	KindBoolean
	KindInteger
	KindLong
	KindFloat
	KindDouble
	KindBigNumber
	KindTimestamp
	KindDocument
	KindList
	KindMap
	KindStructure
	KindUnion
)

// ShapeID is the index of a shape in its Service's Shapes.
type ShapeID uint16

// Location says which part of an HTTP message carries a member (the REST
// protocols only; elsewhere every member is in the body).
type Location uint8

// Where a member travels.
const (
	InBody          Location = iota // a member of the body document
	InLabel                         // a path segment: {name} or {name+}
	InQuery                         // a query parameter
	InQueryMap                      // all query parameters that no other member names
	InHeader                        // one header
	InPrefixHeaders                 // all headers with a prefix (WireName is the prefix)
	InPayload                       // the member is the whole body
	InStatusCode                    // the response's HTTP status
)

// TimestampFormat is how a timestamp is written; zero means the protocol's and
// location's default.
type TimestampFormat uint8

// Timestamp formats.
const (
	TimestampDefault TimestampFormat = iota
	TimestampISO8601                 // 2006-01-02T15:04:05.999Z
	TimestampEpoch                   // seconds since 1970, with a fraction where there is one
	TimestampRFC822                  // Mon, 02 Jan 2006 15:04:05 GMT
)

// MemberFlags are the yes/no traits of a member.
type MemberFlags uint16

// Traits of a member.
const (
	Required MemberFlags = 1 << iota
	IdempotencyToken
	XMLAttribute
	Flattened   // list or map members repeat without a wrapper
	Streaming   // a blob that is read and written as a stream
	JSONValue   // a header that carries base64-encoded JSON
	HostLabel   // also a part of the host name; servers take it from the body
	EventHeader // event streams
	EventPayload
	Sensitive
	XMLText // the member is the text of its structure's element
)

// Member is a member of a structure or union, the element of a list, or the key
// or value of a map.
type Member struct {
	Name      string // as in the model
	WireName  string // JSON key, XML element, header, query or label name; never empty
	QueryName string // awsQuery and ec2 name where it differs from WireName, else ""
	XMLNS     string // xmlNamespace uri, else ""
	XMLPrefix string // prefix of that namespace
	Shape     ShapeID
	Field     uint16 // index of the field in the Go struct (structures and unions)
	Location  Location
	Timestamp TimestampFormat
	Flags     MemberFlags
}

// Has reports whether all of the given traits are set.
func (m *Member) Has(f MemberFlags) bool { return m.Flags&f == f }

// Constraints are the limits a model puts on a shape's values. Min and Max
// bound the length of strings, blobs, lists and maps, and the value of numbers.
type Constraints struct {
	Min, Max       float64
	HasMin, HasMax bool
	Pattern        string
	Enum           []string
}

// ErrorTrait marks a structure as an error that operations can answer.
type ErrorTrait struct {
	Code   string // as it stands on the wire; the shape's name where the model gives no other
	Status int    // HTTP status
	Sender bool   // the caller's fault rather than the service's
	Query  string // code for awsQuery-compatible clients, else ""
}

// Shape is one shape of a service.
type Shape struct {
	Name        string
	Kind        Kind
	Members     []Member     // structure, union: in the model's order; list: [element]; map: [key, value]
	Constraints *Constraints // nil: none
	Error       *ErrorTrait  // nil: not an error
	Payload     int8         // index in Members of the member that is the body, or -1
	Timestamp   TimestampFormat
	Flags       MemberFlags // Flattened, Sensitive, Streaming of the shape itself
	XMLName     string      // element name where the model overrides it
	XMLNS       string
	EventStream bool
}

// AuthKind says how the caller of an operation proves who he is.
type AuthKind uint8

// Kinds of authentication.
const (
	AuthSigV4 AuthKind = iota
	AuthNone           // unsigned operations: the service itself judges tokens in the input
	AuthOptional
)

// Operation is one operation of a service.
type Operation struct {
	Name          string
	Method        string // HTTP method of the REST protocols; "POST" elsewhere
	URI           string // as in the model: /path/{label}/{greedy+}?literal=value
	Status        int    // HTTP status of success, 200 where the model is silent
	Input         ShapeID
	Output        ShapeID
	ResultWrapper string // awsQuery: the element around the result, <Name>Result
	InputName     string // restXml: element name of the input document
	InputNS       string
	Errors        []ShapeID
	Auth          AuthKind
	Actions       []string // IAM actions that a caller needs, "s3:GetObject"; nil: none
	ReadOnly      bool     // the IAM access level of the action is Read or List
	Deprecated    bool
	StreamIn      bool // the input's payload is a stream
	StreamOut     bool
	EventOut      bool // the output is an event stream
}

// Protocol is a wire protocol that a service's clients speak.
type Protocol uint8

// The protocols, as the models name them.
const (
	AWSJSON10 Protocol = iota
	AWSJSON11
	RESTJSON1
	RESTXML
	AWSQuery
	EC2Query
	RPCv2CBOR
)

// Service is everything the model of one AWS service says that a server needs.
type Service struct {
	Name           string // our package name: "dynamodb"
	ID             string // the model's service id: "DynamoDB"
	SigningName    string // credential scope: "dynamodb"
	EndpointPrefix string // host name prefix: "dynamodb"
	TargetPrefix   string // X-Amz-Target prefix: "DynamoDB_20120810"
	Version        string // API version: "2012-08-10"
	XMLNamespace   string
	Protocols      []Protocol // the first is what current clients prefer
	QueryCompat    bool       // awsQueryCompatible errors
	IAMPrefix      string     // "dynamodb"
	Shapes         []Shape
	Operations     []Operation
}

// Shape returns the shape with the given index.
func (s *Service) Shape(id ShapeID) *Shape { return &s.Shapes[id] }

// InBody says that a member travels in the body of its structure: not beside it
// in the HTTP message, nor as a header or payload of an event, nor as events.
func (s *Service) InBody(m *Member) bool {
	return m.Location == InBody && m.Flags&(EventHeader|EventPayload) == 0 && !s.Shapes[m.Shape].EventStream
}

// Operation finds an operation by name, or nil. The scan is linear: the gateway
// builds its own index once.
func (s *Service) Operation(name string) *Operation {
	for i := range s.Operations {
		if s.Operations[i].Name == name {
			return &s.Operations[i]
		}
	}
	return nil
}

// Descriptor is an operation whose input and output types are not known to the
// compiler: what tables and the gateway hold.
type Descriptor interface {
	// Of returns the service and the operation.
	Of() (*Service, *Operation)
	// NewInput and NewOutput return a pointer to a zero input or output.
	NewInput() any
	NewOutput() any
}

// Op is the typed descriptor of one operation. The same value registers the
// operation's handler and calls the operation from another service.
type Op[In, Out any] struct {
	Service *Service
	Index   uint16 // in Service.Operations
}

// Of returns the service and the operation.
func (o Op[In, Out]) Of() (*Service, *Operation) { return o.Service, &o.Service.Operations[o.Index] }

// NewInput returns a pointer to a zero input.
func (o Op[In, Out]) NewInput() any { return new(In) }

// NewOutput returns a pointer to a zero output.
func (o Op[In, Out]) NewOutput() any { return new(Out) }

// Val returns what p points at, or the zero value for nil.
func Val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// ErrorShape finds the error structure whose Go type is that of body (a struct
// or pointer to one), by the type's name, among the service's shapes; nil where
// there is none.
func (s *Service) ErrorShape(body any) *Shape {
	t := reflect.TypeOf(body)
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range s.Shapes {
		if s.Shapes[i].Error != nil && s.Shapes[i].Name == t.Name() {
			return &s.Shapes[i]
		}
	}
	return nil
}
