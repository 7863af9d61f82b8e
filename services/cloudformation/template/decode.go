package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Violation is one property that a resource type does not take.
type Violation struct {
	Path string // "#/Code/S3Bucket"
	Text string
}

func (v Violation) String() string { return v.Path + ": " + v.Text }

// Violations are all that is wrong with the properties of a resource.
type Violations []Violation

// Error lists them as CloudFormation does.
func (vs Violations) Error() string {
	lines := make([]string, len(vs))
	for i, v := range vs {
		lines[i] = v.String()
	}
	return strings.Join(lines, "\n")
}

// Decode fills into, a pointer to a property struct, from evaluated
// properties. A member's name is its json tag or else its Go name, letter for
// letter. Scalars are converted between string, number and boolean where
// nothing is lost; members that the struct lacks are violations, at any depth.
func Decode(properties map[string]any, into any) error {
	d := &decoder{}
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("template: Decode needs a pointer, got %T", into)
	}
	if properties == nil {
		properties = map[string]any{}
	}
	d.value(properties, target.Elem(), "#")
	if len(d.violations) > 0 {
		return d.violations
	}
	return nil
}

type decoder struct{ violations Violations }

func (d *decoder) fail(path, format string, args ...any) {
	d.violations = append(d.violations, Violation{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) mismatch(path, want string, v any) {
	d.fail(path, "expected type: %s, found: %s", want, kindName(v))
}

func kindName(v any) string {
	switch v.(type) {
	case map[string]any:
		return "JSONObject"
	case []any:
		return "JSONArray"
	case bool:
		return "Boolean"
	case json.Number:
		return "Number"
	case nil:
		return "Null"
	}
	return "String"
}

func timeType() reflect.Type { return reflect.TypeFor[time.Time]() }
func rawType() reflect.Type  { return reflect.TypeFor[json.RawMessage]() }

func (d *decoder) value(v any, to reflect.Value, path string) {
	switch to.Type() {
	case timeType():
		d.time(v, to, path)
		return
	case rawType():
		to.SetBytes([]byte(JSON(v)))
		return
	}
	if to.Kind() != reflect.Pointer && to.CanAddr() {
		if u, ok := to.Addr().Interface().(json.Unmarshaler); ok {
			if err := u.UnmarshalJSON([]byte(JSON(v))); err != nil {
				d.fail(path, "%s", err)
			}
			return
		}
	}
	switch to.Kind() {
	case reflect.Pointer:
		p := reflect.New(to.Type().Elem())
		d.value(v, p.Elem(), path)
		to.Set(p)
	case reflect.Interface:
		if to.NumMethod() > 0 {
			d.fail(path, "cannot be set from a template")
			return
		}
		if v != nil {
			to.Set(reflect.ValueOf(v))
		}
	case reflect.Struct:
		d.structure(v, to, path)
	case reflect.Map:
		d.mapping(v, to, path)
	case reflect.Slice:
		d.list(v, to, path)
	default:
		d.scalar(v, to, path)
	}
}

func (d *decoder) structure(v any, to reflect.Value, path string) {
	m, ok := v.(map[string]any)
	if !ok {
		d.mismatch(path, "JSONObject", v)
		return
	}
	fields := map[string]reflect.Value{}
	collectFields(to, fields)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		field, ok := fields[name]
		if !ok {
			d.fail(path, "extraneous key [%s] is not permitted", name)
			continue
		}
		d.value(m[name], field, path+"/"+name)
	}
}

// collectFields gives a struct's settable fields by property name; embedded
// structs count as part of the outer one.
func collectFields(to reflect.Value, into map[string]reflect.Value) {
	t := to.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct {
			collectFields(to.Field(i), into)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		into[tag] = to.Field(i)
	}
}

func (d *decoder) mapping(v any, to reflect.Value, path string) {
	m, ok := v.(map[string]any)
	if !ok {
		d.mismatch(path, "JSONObject", v)
		return
	}
	t := to.Type()
	if t.Key().Kind() != reflect.String {
		d.fail(path, "cannot be set from a template")
		return
	}
	out := reflect.MakeMapWithSize(t, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		item := reflect.New(t.Elem()).Elem()
		d.value(m[k], item, path+"/"+k)
		out.SetMapIndex(reflect.ValueOf(k).Convert(t.Key()), item)
	}
	to.Set(out)
}

func (d *decoder) list(v any, to reflect.Value, path string) {
	if to.Type().Elem().Kind() == reflect.Uint8 {
		s, ok := Text(v)
		if !ok {
			d.mismatch(path, "String", v)
			return
		}
		to.SetBytes([]byte(s))
		return
	}
	list, ok := v.([]any)
	if !ok {
		d.mismatch(path, "JSONArray", v)
		return
	}
	out := reflect.MakeSlice(to.Type(), len(list), len(list))
	for i, item := range list {
		d.value(item, out.Index(i), path+"/"+strconv.Itoa(i))
	}
	to.Set(out)
}

func (d *decoder) time(v any, to reflect.Value, path string) {
	s, _ := Text(v)
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		to.Set(reflect.ValueOf(t))
		return
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n != n || n > 1<<40 || n < -(1<<40) {
		d.mismatch(path, "Timestamp", v)
		return
	}
	to.Set(reflect.ValueOf(time.UnixMilli(int64(n * 1000)).UTC()))
}

func (d *decoder) scalar(v any, to reflect.Value, path string) {
	text, ok := Text(v)
	if !ok {
		d.mismatch(path, goKindName(to.Kind()), v)
		return
	}
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
		return
	case reflect.Bool:
		if strings.EqualFold(text, "true") || strings.EqualFold(text, "false") {
			to.SetBool(strings.EqualFold(text, "true"))
			return
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n, err := parseInt(text); err == nil && !to.OverflowInt(n) {
			to.SetInt(n)
			return
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n, err := parseInt(text); err == nil && n >= 0 && !to.OverflowUint(uint64(n)) {
			to.SetUint(uint64(n))
			return
		}
	case reflect.Float32, reflect.Float64:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			to.SetFloat(n)
			return
		}
	}
	d.mismatch(path, goKindName(to.Kind()), v)
}

// parseInt takes "5" and, since a template's numbers may be written so, "5.0".
func parseInt(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if whole, zeros, dotted := strings.Cut(text, "."); dotted && zeros != "" && strings.Trim(zeros, "0") == "" {
		text = whole
	}
	return strconv.ParseInt(text, 10, 64)
}

func goKindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "String"
	case reflect.Bool:
		return "Boolean"
	}
	return "Number"
}

// HasProperty says whether a property struct has a top-level property.
func HasProperty(properties any, name string) bool {
	v := reflect.ValueOf(properties)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return false
	}
	fields := map[string]reflect.Value{}
	collectFields(v, fields)
	_, ok := fields[name]
	return ok
}
