package wiretest

import (
	"time"

	"moln.dev/moln/aws/smithy"
)

// Attr is a value in the form of DynamoDB's: a recursive union.
type Attr struct {
	S    *string
	N    *string
	B    []byte
	BOOL *bool
	L    []Attr
	M    map[string]Attr
}

// Tag is a small structure with an XML attribute.
type Tag struct {
	Key   *string
	Value *string
	Kind  *string
}

// Sink is an input and output with a member of every kind.
type Sink struct {
	Table  *string
	Item   map[string]Attr
	Count  *int32
	Long   *int64
	Ratio  *float64
	When   *time.Time
	ISO    *time.Time
	Tags   []Tag
	Flat   []string
	Labels map[string]string
	Blob   []byte
	Nested *Sink
	Yes    *bool
	Big    *string
	Doc    any
	Also   []string
}

// Problem is an error structure with a message, a member and a header.
type Problem struct {
	Message *string
	Reason  *string
	Retry   *int32
}

// The indexes of the fixture's shapes.
const (
	shString smithy.ShapeID = iota
	shInt
	shLong
	shDouble
	shTime
	shBlob
	shBool
	shBig
	shDoc
	shAttr
	shAttrList
	shAttrMap
	shTag
	shTags
	shFlat
	shLabels
	shSink
	shProblem
)

// Fixture returns a service with one operation, PutSink, whose input and output
// are a Sink and whose error is a Problem. Callers may change the copy.
func Fixture() *smithy.Service {
	shapes := make([]smithy.Shape, shProblem+1)
	for id, sh := range fixtureShapes() {
		if sh.Payload == 0 {
			sh.Payload = -1
		}
		shapes[id] = sh
	}
	return &smithy.Service{
		Name: "fixture", ID: "Fixture", SigningName: "fixture", Version: "2026-01-02",
		XMLNamespace: "https://fixture.example.com/", Shapes: shapes,
		Operations: []smithy.Operation{{
			Name: "PutSink", Method: "POST", URI: "/sinks", Status: 200,
			Input: shSink, Output: shSink, ResultWrapper: "PutSinkResult", Errors: []smithy.ShapeID{shProblem},
		}},
	}
}

// member is a member in the body whose wire name is its own.
func member(name string, shape smithy.ShapeID, field uint16, flags smithy.MemberFlags) smithy.Member {
	return smithy.Member{Name: name, WireName: name, Shape: shape, Field: field, Flags: flags}
}

func fixtureShapes() map[smithy.ShapeID]smithy.Shape {
	isoMember := member("ISO", shTime, 6, 0)
	isoMember.Timestamp = smithy.TimestampISO8601
	kind := member("Kind", shString, 2, smithy.XMLAttribute)
	kind.WireName = "xsi:type"
	retry := member("Retry", shInt, 2, 0)
	retry.Location, retry.WireName = smithy.InHeader, "Retry-After"
	return map[smithy.ShapeID]smithy.Shape{
		shString: {Name: "String", Kind: smithy.KindString},
		shInt:    {Name: "Int", Kind: smithy.KindInteger},
		shLong:   {Name: "Long", Kind: smithy.KindLong},
		shDouble: {Name: "Double", Kind: smithy.KindDouble},
		shTime:   {Name: "Time", Kind: smithy.KindTimestamp},
		shBlob:   {Name: "Blob", Kind: smithy.KindBlob},
		shBool:   {Name: "Bool", Kind: smithy.KindBoolean},
		shBig:    {Name: "Big", Kind: smithy.KindBigNumber},
		shDoc:    {Name: "Doc", Kind: smithy.KindDocument},
		shAttr: {Name: "Attr", Kind: smithy.KindUnion, Members: []smithy.Member{
			member("S", shString, 0, 0), member("N", shString, 1, 0), member("B", shBlob, 2, 0),
			member("BOOL", shBool, 3, 0), member("L", shAttrList, 4, 0), member("M", shAttrMap, 5, 0),
		}},
		shAttrList: {Name: "AttrList", Kind: smithy.KindList, Members: []smithy.Member{member("member", shAttr, 0, 0)}},
		shAttrMap:  {Name: "AttrMap", Kind: smithy.KindMap, Members: []smithy.Member{member("key", shString, 0, 0), member("value", shAttr, 0, 0)}},
		shTag: {Name: "Tag", Kind: smithy.KindStructure, XMLNS: "https://xsi.example.com/", Members: []smithy.Member{
			member("Key", shString, 0, 0), member("Value", shString, 1, 0), kind,
		}},
		shTags:   {Name: "Tags", Kind: smithy.KindList, Members: []smithy.Member{member("Tag", shTag, 0, 0)}},
		shFlat:   {Name: "Flat", Kind: smithy.KindList, Flags: smithy.Flattened, Members: []smithy.Member{member("member", shString, 0, 0)}},
		shLabels: {Name: "Labels", Kind: smithy.KindMap, Members: []smithy.Member{member("key", shString, 0, 0), member("value", shString, 0, 0)}},
		shSink: {Name: "Sink", Kind: smithy.KindStructure, Members: []smithy.Member{
			member("Table", shString, 0, smithy.Required), member("Item", shAttrMap, 1, 0), member("Count", shInt, 2, 0),
			member("Long", shLong, 3, 0), member("Ratio", shDouble, 4, 0), member("When", shTime, 5, 0), isoMember,
			member("Tags", shTags, 7, 0), member("Flat", shFlat, 8, 0), member("Labels", shLabels, 9, 0),
			member("Blob", shBlob, 10, 0), member("Nested", shSink, 11, 0), member("Yes", shBool, 12, 0),
			member("Big", shBig, 13, 0), member("Doc", shDoc, 14, 0), member("Also", shFlat, 15, 0),
		}},
		shProblem: {
			Name: "Problem", Kind: smithy.KindStructure,
			Error:   &smithy.ErrorTrait{Code: "Problem", Status: 409, Sender: true, Query: "Old.Problem"},
			Members: []smithy.Member{member("Message", shString, 0, 0), member("Reason", shString, 1, 0), retry},
		},
	}
}
