package apigateway

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/apigateway"
)

// apply carries out patch operations on a structure of the API. Paths are JSON
// pointers whose first part is one of the allowed members, by wire name.
func apply(target any, ops []api.PatchOperation, allowed ...string) error {
	for _, op := range ops {
		if err := applyOne(target, op, allowed); err != nil {
			return err
		}
	}
	return nil
}

func applyOne(target any, op api.PatchOperation, allowed []string) error {
	parts := strings.Split(strings.TrimPrefix(val(op.Path), "/"), "/")
	for i, p := range parts {
		parts[i] = unescapePointer(p)
	}
	if !slices.Contains(allowed, parts[0]) {
		return errPatchPath(op, allowed)
	}
	name := strings.ToUpper(parts[0][:1]) + parts[0][1:]
	field := reflect.ValueOf(target).Elem().FieldByName(name)
	if !field.IsValid() {
		return errPatchPath(op, allowed)
	}
	switch field.Kind() {
	case reflect.Map:
		return patchMap(field, parts[1:], op, allowed)
	case reflect.Slice:
		return patchList(field, parts[1:], op, allowed)
	}
	if len(parts) != 1 {
		return errPatchPath(op, allowed)
	}
	return patchScalar(field, op)
}

func unescapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}

func errPatchPath(op api.PatchOperation, allowed []string) error {
	return api.ErrBadRequestException("Invalid patch path  '%s' specified for op '%s'. Must be one of: [/%s]", val(op.Path), val(op.Op), strings.Join(allowed, ", /"))
}

func errPatchOp(op api.PatchOperation) error {
	return api.ErrBadRequestException("Invalid patch operation '%s' specified for path '%s'", val(op.Op), val(op.Path))
}

func patchScalar(field reflect.Value, op api.PatchOperation) error {
	switch val(op.Op) {
	case "remove":
		field.SetZero()
		return nil
	case "replace", "add":
	default:
		return errPatchOp(op)
	}
	text := val(op.Value)
	switch p := field.Addr().Interface().(type) {
	case **string:
		*p = &text
	case **bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return api.ErrBadRequestException("Invalid value '%s' for path '%s'", text, val(op.Path))
		}
		*p = &b
	case **int32:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return api.ErrBadRequestException("Invalid value '%s' for path '%s'", text, val(op.Path))
		}
		n32 := int32(n)
		*p = &n32
	default:
		return errPatchOp(op)
	}
	return nil
}

func patchMap(field reflect.Value, rest []string, op api.PatchOperation, allowed []string) error {
	if len(rest) != 1 || rest[0] == "" {
		return errPatchPath(op, allowed)
	}
	key := reflect.ValueOf(rest[0])
	switch val(op.Op) {
	case "remove":
		if !field.MapIndex(key).IsValid() {
			return api.ErrNotFoundException("Invalid parameter name specified")
		}
		field.SetMapIndex(key, reflect.Value{})
		return nil
	case "add", "replace":
	default:
		return errPatchOp(op)
	}
	if field.IsNil() {
		field.Set(reflect.MakeMap(field.Type()))
	}
	switch field.Type().Elem().Kind() {
	case reflect.String:
		field.SetMapIndex(key, reflect.ValueOf(val(op.Value)))
	case reflect.Bool:
		field.SetMapIndex(key, reflect.ValueOf(val(op.Value) == "true"))
	default:
		return errPatchPath(op, allowed)
	}
	return nil
}

// patchList adds, removes and replaces members of a list of strings. The member
// stands in the path (binaryMediaTypes) or in the value (providerARNs).
func patchList(field reflect.Value, rest []string, op api.PatchOperation, allowed []string) error {
	list, ok := field.Interface().([]string)
	if !ok || len(rest) > 1 {
		return errPatchPath(op, allowed)
	}
	list = slices.Clone(list)
	item := val(op.Value)
	if len(rest) == 1 {
		item = rest[0]
	}
	switch val(op.Op) {
	case "add":
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	case "remove":
		list = slices.DeleteFunc(list, func(s string) bool { return s == item })
	case "replace":
		i := slices.Index(list, item)
		if i < 0 {
			return api.ErrNotFoundException("Invalid value '%s' for path '%s'", item, val(op.Path))
		}
		list[i] = val(op.Value)
	default:
		return errPatchOp(op)
	}
	field.Set(reflect.ValueOf(list))
	return nil
}
