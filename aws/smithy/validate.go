package smithy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxViolations = 100     // a request with more is broken enough
	maxShownBytes = 4 << 10 // of a value in a message
)

// Violation is one value that breaks one constraint of the model.
type Violation struct {
	Path       string // as AWS writes it: keySchema.1.member.attributeName
	Value      string // as AWS writes it, without the quotes
	Null       bool   // the member is required and absent
	Hidden     bool   // the model calls the value sensitive
	Constraint string // "Member must …"
}

// String is the sentence that AWS writes about one violation.
func (v Violation) String() string {
	value := "Value '" + v.Value + "'"
	switch {
	case v.Null:
		value = "Value null"
	case v.Hidden:
		value = "Value"
	}
	return value + " at '" + v.Path + "' failed to satisfy constraint: " + v.Constraint
}

// Message is the text that AWS answers for one input's violations, or "" where
// nothing is wrong.
func Message(vs []Violation) string {
	if len(vs) == 0 {
		return ""
	}
	sentences := make([]string, len(vs))
	for i, v := range vs {
		sentences[i] = v.String()
	}
	noun := "errors"
	if len(vs) == 1 {
		noun = "error"
	}
	return fmt.Sprintf("%d validation %s detected: %s", len(vs), noun, strings.Join(sentences, "; "))
}

// Validator checks values against the constraints of their shapes. It may be
// used by many goroutines at once.
type Validator struct {
	patterns patternCache
	plain    sync.Map // *Service -> []bool: shapes under which nothing is constrained
}

// NewValidator returns a validator with nothing compiled yet.
func NewValidator() *Validator { return new(Validator) }

// Validate walks a value, a pointer to the structure's Go type, beside its
// shape and returns what is wrong in the model's order.
func (va *Validator) Validate(svc *Service, shape ShapeID, v any) []Violation {
	plain, ok := va.plain.Load(svc)
	if !ok {
		plain, _ = va.plain.LoadOrStore(svc, plainShapes(svc))
	}
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	if !value.IsValid() {
		return nil
	}
	// Nearly every value is sound. The first pass finds only whether this one
	// is, and needs no paths, no texts and no order in maps.
	w := walk{validator: va, svc: svc, plain: plain.([]bool), quick: true}
	if w.inside(shape, value, ""); len(w.found) == 0 {
		return nil
	}
	w.quick, w.found = false, nil
	w.inside(shape, value, "")
	return w.found
}

// walk is one pass over one value.
type walk struct {
	validator *Validator
	svc       *Service
	plain     []bool
	quick     bool // stop at the first violation and say nothing about it
	found     []Violation
}

// inside checks what a structure, list or map holds.
func (w *walk) inside(id ShapeID, v reflect.Value, path string) {
	if w.plain[id] || len(w.found) >= maxViolations || w.quick && len(w.found) > 0 {
		return
	}
	sh := w.svc.Shape(id)
	switch sh.Kind {
	case KindStructure, KindUnion:
		for i := range sh.Members {
			w.field(&sh.Members[i], v.Field(int(sh.Members[i].Field)), path)
		}
	case KindList:
		w.list(sh, v, path)
	case KindMap:
		w.dict(sh, v, path)
	}
}

// field checks a member of a structure and what is inside it.
func (w *walk) field(m *Member, v reflect.Value, path string) {
	if !w.quick {
		if path != "" {
			path += "."
		}
		path += lowerFirst(m.Name)
	}
	if v.IsNil() {
		if m.Has(Required) {
			w.found = append(w.found, Violation{Path: path, Null: true, Constraint: "Member must not be null"})
		}
		return
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	sh := w.svc.Shape(m.Shape)
	if m.Has(Streaming) || sh.EventStream {
		return
	}
	if w.plain[m.Shape] && sh.Constraints == nil {
		return
	}
	for _, text := range w.broken(sh, v) {
		w.add(sh, v, path, text, m.Flags)
	}
	w.inside(m.Shape, v, path)
}

// list reports elements that break a constraint as AWS does: once, against the
// whole list, with all the constraints of an element.
func (w *walk) list(sh *Shape, v reflect.Value, path string) {
	element := w.svc.Shape(sh.Members[0].Shape)
	for i := 0; element.Constraints != nil && i < v.Len(); i++ {
		if len(w.broken(element, v.Index(i))) > 0 {
			w.add(sh, v, path, "Member must satisfy constraint: "+allOf(element), sh.Members[0].Flags)
			break
		}
	}
	if w.plain[sh.Members[0].Shape] {
		return
	}
	for i := range v.Len() {
		at := ""
		if !w.quick {
			at = path + "." + strconv.Itoa(i+1) + ".member"
		}
		w.inside(sh.Members[0].Shape, v.Index(i), at)
	}
}

// dict is list for maps, whose keys and values are constrained apart.
func (w *walk) dict(sh *Shape, v reflect.Value, path string) {
	key, value := w.svc.Shape(sh.Members[0].Shape), w.svc.Shape(sh.Members[1].Shape)
	if w.quick {
		w.quickDict(key, value, sh.Members[1].Shape, v)
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		if len(w.broken(key, k)) > 0 {
			w.add(sh, v, path, "Map keys must satisfy constraint: "+allOf(key), sh.Members[0].Flags)
			break
		}
	}
	for _, k := range keys {
		if len(w.broken(value, v.MapIndex(k))) > 0 {
			w.add(sh, v, path, "Map value must satisfy constraint: "+allOf(value), sh.Members[1].Flags)
			break
		}
	}
	for _, k := range keys {
		w.inside(sh.Members[1].Shape, v.MapIndex(k), path+"."+k.String()+".member")
	}
}

// quickDict looks at keys and values of a map without keeping any.
func (w *walk) quickDict(key, value *Shape, id ShapeID, v reflect.Value) {
	deeper := !w.plain[id]
	if v.Len() == 0 || key.Constraints == nil && value.Constraints == nil && !deeper {
		return
	}
	// One room for all: a value that is taken out of a map is copied.
	k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	for entry := v.MapRange(); entry.Next(); {
		k.SetIterKey(entry)
		if len(w.broken(key, k)) > 0 {
			w.found = append(w.found, Violation{})
			return
		}
		if value.Constraints == nil && !deeper {
			continue
		}
		e.SetIterValue(entry)
		if len(w.broken(value, e)) > 0 {
			w.found = append(w.found, Violation{})
			return
		}
		w.inside(id, e, "")
	}
}

func (w *walk) add(sh *Shape, v reflect.Value, path, text string, f MemberFlags) {
	if w.quick {
		w.found = append(w.found, Violation{})
		return
	}
	violation := Violation{Path: path, Constraint: text, Hidden: (f|sh.Flags)&Sensitive != 0}
	if !violation.Hidden {
		var b strings.Builder
		w.show(&b, sh, v)
		violation.Value = b.String()
	}
	w.found = append(w.found, violation)
}

// broken lists the constraints of its own shape that a value breaks.
func (w *walk) broken(sh *Shape, v reflect.Value) []string {
	c := sh.Constraints
	if c == nil {
		return nil
	}
	var out []string
	size, ok := measure(sh.Kind, v)
	if c.Pattern != "" && sh.Kind == KindString && !w.validator.patterns.match(c.Pattern, v.String()) {
		out = append(out, patternText(c))
	}
	if ok && c.HasMin && size < c.Min {
		out = append(out, minText(sh))
	}
	if ok && c.HasMax && size > c.Max {
		out = append(out, maxText(sh))
	}
	if len(c.Enum) > 0 && sh.Kind == KindString && !slices.Contains(c.Enum, v.String()) {
		out = append(out, enumText(c))
	}
	return out
}

// measure is what a shape's bounds bound: a number's value, or a length.
func measure(k Kind, v reflect.Value) (size float64, ok bool) {
	switch k {
	case KindString:
		return float64(utf8.RuneCountInString(v.String())), true
	case KindBlob, KindList, KindMap:
		return float64(v.Len()), true
	case KindInteger, KindLong:
		return float64(v.Int()), true
	case KindFloat, KindDouble:
		return v.Float(), true
	}
	return 0, false
}

// allOf lists every constraint of an element in brackets.
func allOf(sh *Shape) string {
	c := sh.Constraints
	var all []string
	if c.HasMax {
		all = append(all, maxText(sh))
	}
	if c.HasMin {
		all = append(all, minText(sh))
	}
	if c.Pattern != "" {
		all = append(all, patternText(c))
	}
	if len(c.Enum) > 0 {
		all = append(all, enumText(c))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func minText(sh *Shape) string {
	return "Member must have " + measured(sh.Kind) + " greater than or equal to " + bound(sh.Kind, sh.Constraints.Min)
}

func maxText(sh *Shape) string {
	return "Member must have " + measured(sh.Kind) + " less than or equal to " + bound(sh.Kind, sh.Constraints.Max)
}

func patternText(c *Constraints) string {
	return "Member must satisfy regular expression pattern: " + c.Pattern
}

func enumText(c *Constraints) string {
	return "Member must satisfy enum value set: [" + strings.Join(c.Enum, ", ") + "]"
}

func measured(k Kind) string {
	switch k {
	case KindInteger, KindLong, KindFloat, KindDouble:
		return "value"
	}
	return "length"
}

func bound(k Kind, f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if (k == KindFloat || k == KindDouble) && !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// show writes a value as AWS's services do, which is Java's way: [a, b], {k=v},
// Name(member=value).
func (w *walk) show(b *strings.Builder, sh *Shape, v reflect.Value) {
	if b.Len() > maxShownBytes {
		return
	}
	switch sh.Kind {
	case KindList:
		b.WriteByte('[')
		for i := range v.Len() {
			separate(b, i)
			w.show(b, w.svc.Shape(sh.Members[0].Shape), v.Index(i))
		}
		b.WriteByte(']')
	case KindMap:
		b.WriteByte('{')
		keys := map[string]reflect.Value{}
		for _, k := range v.MapKeys() {
			keys[k.String()] = v.MapIndex(k)
		}
		for i, k := range slices.Sorted(maps.Keys(keys)) {
			separate(b, i)
			b.WriteString(k + "=")
			w.show(b, w.svc.Shape(sh.Members[1].Shape), keys[k])
		}
		b.WriteByte('}')
	case KindStructure, KindUnion:
		w.showStructure(b, sh, v)
	case KindBlob:
		fmt.Fprintf(b, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", v.Len(), v.Len())
	case KindTimestamp:
		b.WriteString(v.Interface().(time.Time).UTC().Format(time.RFC3339))
	case KindString, KindBigNumber:
		b.WriteString(v.String())
	default:
		fmt.Fprint(b, v.Interface())
	}
}

func (w *walk) showStructure(b *strings.Builder, sh *Shape, v reflect.Value) {
	b.WriteString(sh.Name + "(")
	n := 0
	for i := range sh.Members {
		m := &sh.Members[i]
		field := v.Field(int(m.Field))
		if field.IsNil() || m.Has(Streaming) || w.svc.Shape(m.Shape).EventStream {
			continue
		}
		separate(b, n)
		n++
		b.WriteString(lowerFirst(m.Name) + "=")
		if m.Has(Sensitive) {
			b.WriteString("***")
			continue
		}
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		w.show(b, w.svc.Shape(m.Shape), field)
	}
	b.WriteByte(')')
}

func separate(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// lowerFirst is how AWS's paths write a member: TableName gives tableName, and
// AWSAccountId aWSAccountId.
func lowerFirst(name string) string {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return name
	}
	return string(name[0]+'a'-'A') + name[1:]
}

// plainShapes finds the shapes inside which no constraint can be broken, so
// that a walk leaves them out.
func plainShapes(svc *Service) []bool {
	plain := make([]bool, len(svc.Shapes))
	for i := range plain {
		plain[i] = true
	}
	for changed := true; changed; {
		changed = false
		for i := range svc.Shapes {
			if !plain[i] {
				continue
			}
			for _, m := range svc.Shapes[i].Members {
				if m.Has(Required) || svc.Shape(m.Shape).Constraints != nil || !plain[m.Shape] {
					plain[i], changed = false, true
				}
			}
		}
	}
	return plain
}
