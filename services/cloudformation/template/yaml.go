package template

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

func itoa(n int) string { return strconv.Itoa(n) }

// maxLineIndicators bounds "- - - -" and "[[[[" at the start of a line, which
// would otherwise nest the parser's stack as deep as the document is long.
const maxLineIndicators = 2 * maxDepth

// maxOpenBrackets bounds how deep brackets of flow style may stand inside each
// other, as characters: the parser takes the square of that in time and memory
// before its result can be looked at. Text that only looks like brackets (code
// inside a template) has room below it.
const maxOpenBrackets = 2_000

func parseYAML(body string) (v any, err error) {
	if tooDeep(body) {
		return nil, &formatError{language: "YAML", detail: "Nested too deeply."}
	}
	// The library has been seen to panic on malformed documents; for us that is
	// one more way of being malformed.
	defer func() {
		if recover() != nil {
			v, err = nil, &formatError{language: "YAML"}
		}
	}()
	file, err := parser.ParseBytes([]byte(body), 0)
	if err != nil {
		return nil, yamlError(err)
	}
	var doc ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if _, comment := d.Body.(*ast.CommentGroupNode); comment {
			continue
		}
		if doc != nil {
			return nil, yamlFail(d.Body, "More than one document.")
		}
		doc = d.Body
	}
	if doc == nil {
		return nil, errorf("Template format error: unsupported structure.")
	}
	return yamlValue(doc, 0, "")
}

func tooDeep(body string) bool {
	open := 0
	for line := range strings.Lines(body) {
		prefix := len(line) - len(strings.TrimLeft(line, " \t-?:[]{}!&*|>"))
		if n := prefix - strings.Count(line[:prefix], " "); n > maxLineIndicators && !plainRule(line[:prefix]) {
			return true
		}
		if open = openAfter(line, open); open > maxOpenBrackets {
			return true
		}
	}
	return false
}

// openAfter counts the brackets that are open after a line, or the first that is
// one too many. It never falls below none: what is closed too often in one place
// does not make room in another.
func openAfter(line string, open int) int {
	for i := range len(line) {
		switch line[i] {
		case '[', '{':
			if open++; open > maxOpenBrackets {
				return open
			}
		case ']', '}':
			open = max(0, open-1)
		}
	}
	return open
}

// plainRule says whether a line's start is a ruler such as "-----", which is
// text inside a block scalar and nests nothing.
func plainRule(prefix string) bool {
	return !strings.ContainsAny(prefix, "[{") && !strings.Contains(prefix, "- -") && !strings.Contains(prefix, "? ?")
}

func yamlError(err error) error {
	f := &formatError{language: "YAML"}
	var syntax interface {
		error
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &syntax) {
		f.detail = syntax.GetMessage()
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			f.line, f.column = t.Position.Line, t.Position.Column
		}
	}
	return f
}

func yamlFail(n ast.Node, detail string) error {
	f := &formatError{language: "YAML", detail: detail}
	if t := n.GetToken(); t != nil && t.Position != nil {
		f.line, f.column = t.Position.Line, t.Position.Column
	}
	return f
}

func yamlValue(n ast.Node, depth int, path string) (any, error) {
	if depth > maxDepth {
		return nil, yamlFail(n, "Nested too deeply.")
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return yamlMap(n.Values, depth, path)
	case *ast.MappingValueNode:
		return yamlMap([]*ast.MappingValueNode{n}, depth, path)
	case *ast.SequenceNode:
		list := make([]any, 0, len(n.Values))
		for i, item := range n.Values {
			v, err := yamlValue(item, depth+1, path+"/"+itoa(i))
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case *ast.TagNode:
		return yamlTag(n, depth, path)
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode:
		return yamlNumber(n.GetToken().Value), nil
	case *ast.FloatNode:
		return yamlNumber(n.GetToken().Value), nil
	case *ast.InfinityNode:
		return n.GetToken().Value, nil
	case *ast.NanNode:
		return n.GetToken().Value, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.NullNode, nil:
		return nil, errNull(path)
	case *ast.AnchorNode, *ast.AliasNode:
		return nil, yamlFail(n, "Aliases are not supported.")
	}
	return nil, yamlFail(n, "")
}

// yamlNumber keeps the digits as they are written. What JSON cannot write the
// same way (leading zeros of an account number, 0x10) stays a string.
func yamlNumber(text string) any {
	if json.Valid([]byte(text)) {
		return json.Number(text)
	}
	return text
}

func yamlMap(values []*ast.MappingValueNode, depth int, path string) (any, error) {
	m := make(map[string]any, len(values))
	for _, e := range values {
		if _, merge := e.Key.(*ast.MergeKeyNode); merge {
			return nil, yamlFail(e, "Merge keys are not supported.")
		}
		key, err := yamlKey(e.Key)
		if err != nil {
			return nil, err
		}
		if _, dup := m[key]; dup {
			return nil, yamlFail(e.Key, "Duplicate key "+key+".")
		}
		v, err := yamlValue(e.Value, depth+1, path+"/"+key)
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	return m, nil
}

func yamlKey(n ast.MapKeyNode) (string, error) {
	switch k := n.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, nil
	case *ast.LiteralNode:
		return k.Value.Value, nil
	}
	return "", yamlFail(n, "Keys must be strings.")
}

// yamlTag turns a short form into the long one: !Sub x is {"Fn::Sub": x}.
func yamlTag(n *ast.TagNode, depth int, path string) (any, error) {
	tag := n.Start.Value
	name, known := strings.CutPrefix(tag, "!")
	switch tag {
	case "!!str", "!":
		return yamlString(n, depth, path)
	case "!!int", "!!float", "!!bool", "!!map", "!!seq":
		return yamlValue(n.Value, depth+1, path)
	case "!Ref", "!Condition":
	default:
		if !known || !isFunction("Fn::"+name) {
			return nil, yamlFail(n, "Unknown tag "+tag+".")
		}
		name = "Fn::" + name
	}
	if _, null := n.Value.(*ast.NullNode); null || n.Value == nil {
		return map[string]any{name: ""}, nil
	}
	v, err := yamlValue(n.Value, depth+1, path+"/"+name)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(string); ok && name == "Fn::GetAtt" {
		resource, attribute, dotted := strings.Cut(s, ".")
		if !dotted {
			return nil, errGetAttForm
		}
		v = []any{resource, attribute}
	}
	return map[string]any{name: v}, nil
}

func yamlString(n *ast.TagNode, depth int, path string) (any, error) {
	v, err := yamlValue(n.Value, depth+1, path)
	if err != nil {
		return nil, err
	}
	s, ok := Text(v)
	if !ok {
		return nil, yamlFail(n, "")
	}
	return s, nil
}
