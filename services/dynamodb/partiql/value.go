package partiql

import (
	"slices"
	"strings"

	"moln.dev/moln/services/dynamodb/item"
)

// value reads a literal or takes a parameter.
func (p *parser) value() (item.Value, error) {
	if p.depth > item.MaxNesting {
		return item.Value{}, invalid("Nesting Levels have exceeded supported limits")
	}
	t := p.peek()
	switch {
	case t.kind == tokString:
		p.at++
		return item.Value{Kind: item.String, Text: t.text}, nil
	case t.kind == tokNumber:
		p.at++
		return numeric(t.text)
	case p.op("-"):
		if p.peek().kind != tokNumber {
			return item.Value{}, p.syntax()
		}
		p.at++
		return numeric("-" + p.toks[p.at-1].text)
	case p.op("?"):
		return p.parameter()
	case p.word("TRUE"):
		return item.Value{Kind: item.Bool, Bool: true}, nil
	case p.word("FALSE"):
		return item.Value{Kind: item.Bool}, nil
	case p.word("NULL"):
		return item.Value{Kind: item.Null}, nil
	case p.op("["):
		list, err := p.values("]")
		return item.Value{Kind: item.List, List: list}, err
	case p.op("<<"):
		return p.set()
	case p.op("{"):
		return p.object()
	}
	return item.Value{}, p.syntax()
}

// isValue reports whether a value comes next.
func (p *parser) isValue() bool {
	t := p.peek()
	switch t.kind {
	case tokString, tokNumber:
		return true
	case tokOp:
		return slices.Contains([]string{"-", "?", "[", "<<", "{"}, t.text)
	}
	return p.isWord("TRUE") || p.isWord("FALSE") || p.isWord("NULL")
}

func numeric(text string) (item.Value, error) {
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	n, err := item.Canonical(text)
	return item.Value{Kind: item.Number, Text: n}, err
}

func (p *parser) parameter() (item.Value, error) {
	if p.used == len(p.params) {
		return item.Value{}, p.miscounted()
	}
	p.used++
	return p.params[p.used-1], nil
}

// values reads values up to the closing token.
func (p *parser) values(end string) ([]item.Value, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	out := []item.Value{}
	for !p.op(end) {
		if len(out) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// set reads what follows <<: values of one scalar type.
func (p *parser) set() (item.Value, error) {
	list, err := p.values(">>")
	if err != nil {
		return item.Value{}, err
	}
	if len(list) == 0 {
		return item.Value{}, invalid("One or more parameter values were invalid: An string set  may not be empty")
	}
	kinds := map[item.Kind]item.Kind{item.String: item.StringSet, item.Number: item.NumberSet, item.Binary: item.BinarySet}
	kind := kinds[list[0].Kind]
	elements := make([]string, len(list))
	for i, v := range list {
		if kind == 0 || v.Kind != list[0].Kind {
			return item.Value{}, p.wrong("Sets can only contain strings, numbers or binary values of a single type")
		}
		elements[i] = v.Text
	}
	v := item.NewSet(kind, elements)
	if len(v.Set) < len(list) {
		return item.Value{}, invalid("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return v, nil
}

// object reads what follows {: 'name': value, ….
func (p *parser) object() (item.Value, error) {
	if err := p.enter(); err != nil {
		return item.Value{}, err
	}
	defer p.leave()
	out := item.Value{Kind: item.MapKind, Map: item.Map{}}
	for first := true; !p.op("}"); first = false {
		if !first {
			if err := p.expect(","); err != nil {
				return item.Value{}, err
			}
		}
		t := p.peek()
		if t.kind != tokString && t.kind != tokQuoted {
			return item.Value{}, p.syntax()
		}
		p.at++
		if err := p.expect(":"); err != nil {
			return item.Value{}, err
		}
		v, err := p.value()
		if err != nil {
			return item.Value{}, err
		}
		switch {
		case t.text == "":
			return item.Value{}, p.wrong("Attribute names cannot be empty")
		case out.Map.Get(t.text) != nil:
			return item.Value{}, p.wrong("Attribute " + t.text + " is given twice")
		}
		out.Map = out.Map.Set(t.text, v)
	}
	return out, nil
}
