package xmlval

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire/scalar"
)

// errDocument is for shapes that the XML protocols do not have.
var errDocument = errors.New("documents have no form in XML")

// Decode fills the struct v, whose shape is sh, from an element. With body set,
// only the members that travel in the body are taken.
func Decode(svc *smithy.Service, sh *smithy.Shape, n *Node, v reflect.Value, body bool) error {
	for i := range sh.Members {
		m := &sh.Members[i]
		if body && m.Location != smithy.InBody {
			continue
		}
		if err := decodeMember(svc, m, n, v.Field(int(m.Field))); err != nil {
			return err
		}
	}
	return nil
}

// DecodeMember fills v from the element which is one member's value.
func DecodeMember(svc *smithy.Service, m *smithy.Member, n *Node, v reflect.Value) error {
	return decodeValue(svc, m, n, v)
}

func decodeMember(svc *smithy.Service, m *smithy.Member, parent *Node, v reflect.Value) error {
	sh := svc.Shape(m.Shape)
	if m.Has(smithy.XMLAttribute) {
		if s, ok := parent.attr(m.WireName); ok {
			return named(m, scalar.Parse(sh.Kind, scalar.Format(m, sh, smithy.TimestampISO8601), v, s))
		}
		return nil
	}
	if IsFlat(m, sh) {
		name := local(m.WireName)
		var items []*Node
		for _, c := range parent.Children {
			if c.Name == name {
				items = append(items, c)
			}
		}
		if len(items) == 0 {
			return nil
		}
		if sh.Kind == smithy.KindList {
			return decodeList(svc, sh, items, v)
		}
		return decodeMap(svc, sh, items, v)
	}
	if c := parent.child(m.WireName); c != nil {
		return decodeValue(svc, m, c, v)
	}
	return nil
}

// IsFlat reports whether the elements of a collection stand in its parent.
func IsFlat(m *smithy.Member, sh *smithy.Shape) bool {
	if sh.Kind != smithy.KindList && sh.Kind != smithy.KindMap {
		return false
	}
	return m.Has(smithy.Flattened) || sh.Flags&smithy.Flattened != 0
}

func (n *Node) child(name string) *Node {
	name = local(name)
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (n *Node) attr(name string) (string, bool) {
	for _, a := range n.Attrs {
		if a.Name == name || local(a.Name) == local(name) {
			return a.Value, true
		}
	}
	return "", false
}

// named adds the member to an error.
func named(m *smithy.Member, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", m.WireName, err)
}

func decodeValue(svc *smithy.Service, m *smithy.Member, n *Node, v reflect.Value) error {
	sh := svc.Shape(m.Shape)
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		return Decode(svc, sh, n, scalar.Target(v), false)
	case smithy.KindList:
		items := make([]*Node, 0, len(n.Children))
		for _, c := range n.Children {
			if c.Name == local(sh.Members[0].WireName) {
				items = append(items, c)
			}
		}
		return decodeList(svc, sh, items, v)
	case smithy.KindMap:
		items := make([]*Node, 0, len(n.Children))
		for _, c := range n.Children {
			if c.Name == "entry" {
				items = append(items, c)
			}
		}
		return decodeMap(svc, sh, items, v)
	case smithy.KindDocument:
		return errDocument
	}
	s := n.Text
	if sh.Kind != smithy.KindString {
		s = strings.TrimSpace(s)
		if s == "" && sh.Kind != smithy.KindBlob {
			return nil
		}
	}
	return named(m, scalar.Parse(sh.Kind, scalar.Format(m, sh, smithy.TimestampISO8601), v, s))
}

func decodeList(svc *smithy.Service, sh *smithy.Shape, items []*Node, v reflect.Value) error {
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, n := range items {
		if err := decodeValue(svc, &sh.Members[0], n, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func decodeMap(svc *smithy.Service, sh *smithy.Shape, items []*Node, v reflect.Value) error {
	out := reflect.MakeMapWithSize(v.Type(), len(items))
	for _, n := range items {
		key, value := n.child(sh.Members[0].WireName), n.child(sh.Members[1].WireName)
		if key == nil {
			return named(&sh.Members[0], errors.New("a map's entry has no key"))
		}
		if value == nil {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := decodeValue(svc, &sh.Members[1], value, elem); err != nil {
			return err
		}
		k := reflect.New(v.Type().Key()).Elem()
		k.SetString(key.Text)
		out.SetMapIndex(k, elem)
	}
	v.Set(out)
	return nil
}
