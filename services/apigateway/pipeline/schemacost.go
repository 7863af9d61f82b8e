package pipeline

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// Bounds of models. The compiler and the validator walk schemas without any of
// their own: a few kilobytes could take all memory there is.
const (
	schemaDepthMax = 64
	schemaNodesMax = 20_000 // objects and lists of one model
	schemaCostMax  = 5_000  // schemas that one value meets at once, by references and combinations
)

// book is the models of an API, by address.
type book struct {
	docs  map[string]any
	nodes int
	costs map[uintptr]int // of an object; 0: being worked out
}

var errSchemaLoop = errors.New("a schema refers to itself without going deeper into the value")

// checkSchemas refuses models that would take too long to compile or apply.
func checkSchemas(docs map[string]any) error {
	b := &book{docs: docs, costs: map[uintptr]int{}}
	for address, doc := range docs {
		b.nodes = 0
		if err := b.measure(doc, 0); err != nil {
			return fmt.Errorf("%s: %w", address[strings.LastIndexByte(address, '/')+1:], err)
		}
	}
	for address, doc := range docs {
		if err := b.walk(address, doc); err != nil {
			return fmt.Errorf("%s: %w", address[strings.LastIndexByte(address, '/')+1:], err)
		}
	}
	return nil
}

// measure bounds depth and number before anything else recurses.
func (b *book) measure(v any, depth int) error {
	var children []any
	switch v := v.(type) {
	case map[string]any:
		for _, c := range v {
			children = append(children, c)
		}
	case []any:
		children = v
	default:
		return nil
	}
	if b.nodes++; b.nodes > schemaNodesMax {
		return fmt.Errorf("the schema has more than %d parts", schemaNodesMax)
	}
	if depth > schemaDepthMax {
		return fmt.Errorf("the schema nests deeper than %d", schemaDepthMax)
	}
	for _, c := range children {
		if err := b.measure(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// walk works out the cost of every object as if it were a schema.
func (b *book) walk(address string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		if _, err := b.cost(address, v); err != nil {
			return err
		}
		for _, c := range v {
			if err := b.walk(address, c); err != nil {
				return err
			}
		}
	case []any:
		for _, c := range v {
			if err := b.walk(address, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// cost counts the schemas that a value meets with m.
func (b *book) cost(address string, m map[string]any) (int, error) {
	id := reflect.ValueOf(m).Pointer()
	if known, ok := b.costs[id]; ok {
		if known == 0 {
			return 0, errSchemaLoop
		}
		return known, nil
	}
	b.costs[id] = 0
	total := 1
	add := func(address string, v any) error {
		sub, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		n, err := b.cost(address, sub)
		if total += n; err == nil && total > schemaCostMax {
			err = fmt.Errorf("a value would have to meet more than %d schemas", schemaCostMax)
		}
		return err
	}
	if ref, ok := m["$ref"].(string); ok {
		to, target := b.resolve(address, ref)
		if err := add(to, target); err != nil {
			return 0, err
		}
	}
	for _, name := range []string{"allOf", "anyOf", "oneOf"} {
		list, _ := m[name].([]any)
		for _, v := range list {
			if err := add(address, v); err != nil {
				return 0, err
			}
		}
	}
	for _, name := range []string{"not", "if", "then", "else"} {
		if err := add(address, m[name]); err != nil {
			return 0, err
		}
	}
	for _, name := range []string{"dependencies", "dependentSchemas"} {
		sets, _ := m[name].(map[string]any)
		for _, v := range sets {
			if err := add(address, v); err != nil {
				return 0, err
			}
		}
	}
	b.costs[id] = total
	return total, nil
}

// resolve follows a reference to a model or a part of one. What it does not
// find, the compiler refuses.
func (b *book) resolve(address, ref string) (string, any) {
	doc, pointer, _ := strings.Cut(ref, "#")
	if doc == "" {
		doc = address
	}
	at, ok := b.docs[doc]
	if !ok {
		return doc, nil
	}
	pointer, err := url.PathUnescape(pointer)
	if err != nil {
		return doc, nil
	}
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" {
			break
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch v := at.(type) {
		case map[string]any:
			at = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return doc, nil
			}
			at = v[i]
		default:
			return doc, nil
		}
	}
	return doc, at
}
