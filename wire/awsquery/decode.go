// Package awsquery speaks AWS Query: a form, in the body or in the URL, whose
// Action names the operation and whose parameters spell the input's members with
// dots; answers are XML.
package awsquery

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/scalar"
	"moln.dev/moln/wire/xmlval"
)

// Codec speaks the protocol.
type Codec struct{}

var _ wire.Codec = Codec{}

// Decode reads the form into in. Parameters in the body count before those in
// the URL.
func (Codec) Decode(svc *smithy.Service, op *smithy.Operation, req *wire.Request, in any) error {
	body, err := url.ParseQuery(string(req.Body))
	if err != nil {
		return malformed(fmt.Errorf("the form can not be read"))
	}
	form, err := parse(body, req.Query)
	if err != nil {
		return malformed(err)
	}
	if err := decodeStructure(svc, svc.Shape(op.Input), form, reflect.ValueOf(in).Elem()); err != nil {
		return malformed(err)
	}
	return nil
}

func malformed(err error) *fault.Fault {
	return fault.New("MalformedInput", 400, "%s", err.Error())
}

func decodeStructure(svc *smithy.Service, sh *smithy.Shape, f *field, v reflect.Value) error {
	for i := range sh.Members {
		m := &sh.Members[i]
		if err := decodeMember(svc, m, f, v.Field(int(m.Field))); err != nil {
			return err
		}
	}
	return nil
}

// queryName is the name of a member in forms.
func queryName(m *smithy.Member) string {
	if m.QueryName != "" {
		return m.QueryName
	}
	return m.WireName
}

func decodeMember(svc *smithy.Service, m *smithy.Member, parent *field, v reflect.Value) error {
	sh := svc.Shape(m.Shape)
	f := parent.child(queryName(m))
	if f == nil && m.QueryName != "" {
		f = parent.child(m.WireName)
	}
	if f == nil && sh.Kind == smithy.KindList && xmlval.IsFlat(m, sh) {
		// Clients disagree about the name of a flattened list: the member's own
		// or that of its elements.
		f = parent.child(sh.Members[0].WireName)
	}
	if f == nil {
		return nil
	}
	return decodeValue(svc, m, f, v)
}

func decodeValue(svc *smithy.Service, m *smithy.Member, f *field, v reflect.Value) error {
	sh := svc.Shape(m.Shape)
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		return decodeStructure(svc, sh, f, scalar.Target(v))
	case smithy.KindList:
		return decodeList(svc, m, sh, f, v)
	case smithy.KindMap:
		return decodeMap(svc, m, sh, f, v)
	}
	if !f.present {
		return nil
	}
	s := f.value
	if sh.Kind != smithy.KindString {
		s = strings.TrimSpace(s)
		if s == "" && sh.Kind != smithy.KindBlob {
			return nil
		}
	}
	if err := scalar.Parse(sh.Kind, scalar.Format(m, sh, smithy.TimestampISO8601), v, s); err != nil {
		return fmt.Errorf("%s: %w", m.WireName, err)
	}
	return nil
}

// decodeList reads Name.member.N, or Name.N where the list is flattened. A
// parameter that is just the name is an empty list.
func decodeList(svc *smithy.Service, m *smithy.Member, sh *smithy.Shape, f *field, v reflect.Value) error {
	elem := &sh.Members[0]
	items := f.items()
	if !xmlval.IsFlat(m, sh) {
		if named := f.child(elem.WireName).items(); len(named) > 0 {
			items = named
		} else if named := f.child("member").items(); len(named) > 0 {
			items = named
		}
	}
	if len(items) == 0 && !f.present {
		return nil
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := decodeValue(svc, elem, item, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// decodeMap reads Name.entry.N.key and .value, or Name.N.key where the map is
// flattened.
func decodeMap(svc *smithy.Service, m *smithy.Member, sh *smithy.Shape, f *field, v reflect.Value) error {
	key, value := &sh.Members[0], &sh.Members[1]
	items := f.items()
	if !xmlval.IsFlat(m, sh) {
		items = f.child("entry").items()
	}
	if len(items) == 0 && !f.present {
		return nil
	}
	out := reflect.MakeMapWithSize(v.Type(), len(items))
	for _, item := range items {
		k, x := item.child(queryName(key)), item.child(queryName(value))
		if k == nil || !k.present {
			return fmt.Errorf("%s: an entry has no %s", m.WireName, key.WireName)
		}
		if x == nil {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := decodeValue(svc, value, x, elem); err != nil {
			return err
		}
		name := reflect.New(v.Type().Key()).Elem()
		name.SetString(strings.ToValidUTF8(k.value, "\uFFFD"))
		out.SetMapIndex(name, elem)
	}
	v.Set(out)
	return nil
}
