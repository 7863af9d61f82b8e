package wire

import "reflect"

// Struct returns the struct behind an output, a pointer to it; the value is
// invalid for nil.
func Struct(out any) reflect.Value {
	v := reflect.ValueOf(out)
	for v.IsValid() && v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}

// NoBody reports whether a response with the status has no body.
func NoBody(status int) bool {
	return status < 200 || status == 204 || status == 205 || status == 304
}
