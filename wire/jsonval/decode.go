// Package jsonval reads and writes JSON by the schema tables of aws/smithy: the
// document part of awsJson and restJson. It works on buffered bytes and reports
// what is wrong in the words of AWS's own servers; which fault that becomes is
// the codec's business.
package jsonval

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/scalar"
)

// Texts of AWS's servers for documents that do not fit the model.
var (
	errToken     = errors.New("Unexpected token received from parser")
	errEnd       = errors.New("Unexpected end-of-input in payload")
	errStructure = errors.New("Start of structure or map found where not expected.")
	errList      = errors.New("Start of list found where not expected")
	errField     = errors.New("Unexpected field type")
	errDepth     = errors.New("Document is nested too deeply")
	errElements  = errors.New("Document has too many elements")
	errTrailing  = errors.New("Unexpected content after the end of the payload")
)

// decoder is one pass over one document.
type decoder struct {
	svc  *smithy.Service
	data []byte
	pos  int
	n    int // elements of lists so far
}

// Decode fills the struct v, whose shape is sh, from a JSON object. An empty
// document is an empty object. With body set, only the members that travel in
// the body are taken from the outermost object.
func Decode(svc *smithy.Service, sh *smithy.Shape, data []byte, v reflect.Value, body bool) error {
	d := decoder{svc: svc, data: data}
	if d.next() == 0 && d.pos >= len(d.data) {
		return nil
	}
	if err := d.outermost(sh, v, body); err != nil {
		return err
	}
	return d.end()
}

// DecodeMember fills v from a document that is one member's value; null and an
// empty document leave it absent.
func DecodeMember(svc *smithy.Service, m *smithy.Member, data []byte, v reflect.Value) error {
	d := decoder{svc: svc, data: data}
	if d.next() == 0 && d.pos >= len(d.data) {
		return nil
	}
	if err := d.member(m, v, 0); err != nil {
		return err
	}
	return d.end()
}

func (d *decoder) end() error {
	if d.next(); d.pos < len(d.data) {
		return errTrailing
	}
	return nil
}

// next skips white space and returns the byte that follows, or 0 at the end.
func (d *decoder) next() byte {
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; c {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

func (d *decoder) expect(c byte) error {
	if got := d.next(); got != c {
		if d.pos >= len(d.data) {
			return errEnd
		}
		return errToken
	}
	d.pos++
	return nil
}

func (d *decoder) literal(word string) error {
	if len(d.data)-d.pos < len(word) || string(d.data[d.pos:d.pos+len(word)]) != word {
		return errToken
	}
	d.pos += len(word)
	return nil
}

// null consumes a null and reports whether there was one.
func (d *decoder) null() (bool, error) {
	if d.next() != 'n' {
		return false, nil
	}
	return true, d.literal("null")
}

// outermost reads the document of an operation. The body flag is only for it:
// the members of nested structures are all in the document.
func (d *decoder) outermost(sh *smithy.Shape, v reflect.Value, body bool) error {
	if isNull, err := d.null(); isNull || err != nil {
		return err
	}
	return d.structure(sh, v, body, 0)
}

// member reads one value into v by the member's shape. Null is absent.
func (d *decoder) member(m *smithy.Member, v reflect.Value, depth int) error {
	if isNull, err := d.null(); isNull || err != nil {
		return err
	}
	if depth > wire.MaxDepth {
		return errDepth
	}
	sh := d.svc.Shape(m.Shape)
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		return d.structure(sh, scalar.Target(v), false, depth)
	case smithy.KindList:
		return d.list(sh, v, depth)
	case smithy.KindMap:
		return d.mapping(sh, v, depth)
	case smithy.KindDocument:
		doc, err := d.document(depth)
		if err == nil {
			v.Set(reflect.ValueOf(doc))
		}
		return err
	case smithy.KindTimestamp:
		return d.timestamp(scalar.Format(m, sh, smithy.TimestampEpoch), v)
	default:
		return d.simple(sh.Kind, scalar.Target(v))
	}
}

// opening consumes the byte that opens a collection, or says what else is there.
func (d *decoder) opening(c byte) error {
	switch got := d.next(); got {
	case c:
		d.pos++
		return nil
	case '{':
		return errStructure
	case '[':
		return errList
	case 0:
		if d.pos >= len(d.data) {
			return errEnd
		}
		return errToken
	default:
		return errField
	}
}

// more moves to the next element of a collection: true when there is one. The
// first call for a collection has first set.
func (d *decoder) more(closing byte, first bool) (bool, error) {
	c := d.next()
	if c == closing {
		d.pos++
		return false, nil
	}
	if first {
		return true, nil
	}
	if err := d.expect(','); err != nil {
		return false, err
	}
	if d.next() == closing {
		return false, errToken
	}
	return true, nil
}

// key reads a member's name and the colon after it.
func (d *decoder) key() ([]byte, error) {
	if c := d.next(); c != '"' {
		if d.pos >= len(d.data) {
			return nil, errEnd
		}
		return nil, errToken
	}
	k, err := d.text()
	if err != nil {
		return nil, err
	}
	return k, d.expect(':')
}

func (d *decoder) structure(sh *smithy.Shape, v reflect.Value, body bool, depth int) error {
	if err := d.opening('{'); err != nil {
		return err
	}
	hint := 0
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if !more || err != nil {
			return err
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		i := findMember(sh, key, hint)
		if i < 0 || (body && sh.Members[i].Location != smithy.InBody) {
			if err := d.skip(depth + 1); err != nil {
				return err
			}
			continue
		}
		hint = i + 1
		m := &sh.Members[i]
		if err := d.member(m, v.Field(int(m.Field)), depth+1); err != nil {
			return err
		}
	}
}

// findMember looks for a member by its wire name, first where the last one
// leads to expect it: clients write members in the order of the model.
func findMember(sh *smithy.Shape, key []byte, hint int) int {
	n := len(sh.Members)
	for k := range n {
		i := hint + k
		if i >= n {
			i -= n
		}
		if sh.Members[i].WireName == string(key) {
			return i
		}
	}
	return -1
}

func (d *decoder) list(sh *smithy.Shape, v reflect.Value, depth int) error {
	if err := d.opening('['); err != nil {
		return err
	}
	m := &sh.Members[0]
	const firstCap = 4
	out := reflect.MakeSlice(v.Type(), 0, 0)
	for first := true; ; first = false {
		more, err := d.more(']', first)
		if err != nil {
			return err
		}
		if !more {
			v.Set(out)
			return nil
		}
		if d.next() == 'n' {
			if err := d.literal("null"); err != nil {
				return err
			}
			continue
		}
		if d.n++; d.n > wire.MaxElements {
			return errElements
		}
		n := out.Len()
		if n == out.Cap() {
			grown := reflect.MakeSlice(v.Type(), n, max(firstCap, 2*n))
			reflect.Copy(grown, out)
			out = grown
		}
		out = out.Slice(0, n+1)
		if err := d.member(m, out.Index(n), depth+1); err != nil {
			return err
		}
	}
}

func (d *decoder) mapping(sh *smithy.Shape, v reflect.Value, depth int) error {
	if err := d.opening('{'); err != nil {
		return err
	}
	m := &sh.Members[1]
	t := v.Type()
	out := reflect.MakeMap(t)
	key := reflect.New(t.Key()).Elem()
	elem := reflect.New(t.Elem()).Elem()
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil {
			return err
		}
		if !more {
			v.Set(out)
			return nil
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		if d.next() == 'n' {
			if err := d.literal("null"); err != nil {
				return err
			}
			continue
		}
		key.SetString(string(k))
		elem.SetZero()
		if err := d.member(m, elem, depth+1); err != nil {
			return err
		}
		out.SetMapIndex(key, elem)
	}
}

func (d *decoder) timestamp(format smithy.TimestampFormat, v reflect.Value) error {
	c := d.next()
	if format == smithy.TimestampEpoch {
		if !numeric(c) {
			return d.mismatch(c, "a Timestamp")
		}
		s, err := d.number()
		if err != nil {
			return err
		}
		t, err := scalar.ParseEpoch(string(s))
		if err != nil {
			return err
		}
		scalar.Target(v).Set(reflect.ValueOf(t))
		return nil
	}
	if c != '"' {
		return d.mismatch(c, "a Timestamp")
	}
	s, err := d.text()
	if err != nil {
		return err
	}
	return scalar.Parse(smithy.KindTimestamp, format, v, string(s))
}

func (d *decoder) simple(kind smithy.Kind, v reflect.Value) error {
	c := d.next()
	switch kind {
	case smithy.KindBoolean:
		switch c {
		case 't':
			v.SetBool(true)
			return d.literal("true")
		case 'f':
			v.SetBool(false)
			return d.literal("false")
		}
		return d.mismatch(c, "a Boolean")
	case smithy.KindInteger, smithy.KindLong:
		return d.integer(c, kind, v)
	case smithy.KindFloat, smithy.KindDouble:
		return d.float(c, kind, v)
	case smithy.KindBigNumber:
		return d.bigNumber(c, v)
	}
	if c != '"' {
		if kind == smithy.KindBlob {
			return d.mismatch(c, "a Blob")
		}
		return d.mismatch(c, "a String")
	}
	s, err := d.text()
	if err != nil {
		return err
	}
	if kind == smithy.KindBlob {
		b := make([]byte, 0, base64.StdEncoding.DecodedLen(len(s)))
		if b, err = base64.StdEncoding.AppendDecode(b, s); err != nil {
			return errors.New("Invalid base64 data in payload")
		}
		v.SetBytes(b)
		return nil
	}
	v.SetString(string(s))
	return nil
}

func (d *decoder) integer(c byte, kind smithy.Kind, v reflect.Value) error {
	name := "an Integer"
	if kind == smithy.KindLong {
		name = "a Long"
	}
	if !numeric(c) {
		return d.mismatch(c, name)
	}
	s, err := d.number()
	if err != nil {
		return err
	}
	bits := v.Type().Bits()
	n, err := strconv.ParseInt(string(s), 10, bits)
	if err == nil {
		v.SetInt(n)
		return nil
	}
	// 1.0 and 1e3 are integers too, to the servers and to the languages whose
	// only number is a double.
	f, ferr := strconv.ParseFloat(string(s), 64)
	if errors.Is(err, strconv.ErrRange) || ferr != nil || f != math.Trunc(f) || math.Abs(f) >= math.Ldexp(1, bits-1) {
		return fmt.Errorf("NUMBER_VALUE can not be converted to %s", name)
	}
	v.SetInt(int64(f))
	return nil
}

func (d *decoder) float(c byte, kind smithy.Kind, v reflect.Value) error {
	name := "a Double"
	if kind == smithy.KindFloat {
		name = "a Float"
	}
	var s []byte
	var err error
	switch {
	case numeric(c):
		s, err = d.number()
	case c == '"':
		if s, err = d.text(); err == nil && string(s) != "NaN" && string(s) != "Infinity" && string(s) != "-Infinity" {
			return fmt.Errorf("STRING_VALUE can not be converted to %s", name)
		}
	default:
		return d.mismatch(c, name)
	}
	if err != nil {
		return err
	}
	f, err := scalar.ParseFloat(string(s), v.Type().Bits())
	if err != nil {
		return fmt.Errorf("NUMBER_VALUE can not be converted to %s", name)
	}
	v.SetFloat(f)
	return nil
}

func (d *decoder) bigNumber(c byte, v reflect.Value) error {
	var s []byte
	var err error
	switch {
	case numeric(c):
		s, err = d.number()
	case c == '"':
		if s, err = d.text(); err == nil && !scalar.IsNumber(string(s)) {
			return errors.New("STRING_VALUE can not be converted to a Number")
		}
	default:
		return d.mismatch(c, "a Number")
	}
	if err == nil {
		v.SetString(string(s))
	}
	return err
}

// mismatch says that the value which starts with c is not of the wanted type.
func (d *decoder) mismatch(c byte, want string) error {
	got := ""
	switch {
	case c == '{':
		return errStructure
	case c == '[':
		return errList
	case c == '"':
		got = "STRING_VALUE"
	case c == 't':
		got = "TRUE_VALUE"
	case c == 'f':
		got = "FALSE_VALUE"
	case numeric(c):
		got = "NUMBER_VALUE"
	case c == 0 && d.pos >= len(d.data):
		return errEnd
	default:
		return errToken
	}
	return fmt.Errorf("%s can not be converted to %s", got, want)
}

func numeric(c byte) bool { return c == '-' || (c >= '0' && c <= '9') }
