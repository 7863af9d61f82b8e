package wire

import (
	"fmt"
	"reflect"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// FaultShape finds the error structure that the model defines for a fault:
// first among the operation's errors, then among the service's, by its code or
// name. It is nil for the faults that all services share.
func FaultShape(svc *smithy.Service, op *smithy.Operation, f *fault.Fault) *smithy.Shape {
	if op != nil {
		for _, id := range op.Errors {
			if sh := svc.Shape(id); isFault(sh, f) {
				return sh
			}
		}
	}
	for i := range svc.Shapes {
		if isFault(&svc.Shapes[i], f) {
			return &svc.Shapes[i]
		}
	}
	return nil
}

func isFault(sh *smithy.Shape, f *fault.Fault) bool {
	if sh.Error == nil {
		return false
	}
	return sh.Error.Code == f.Code || sh.Name == f.Code || (f.Code != "" && sh.Error.Query == f.Code)
}

// FaultBody returns the shape and the struct of f's body. The value is invalid
// where the fault has no body.
func FaultBody(svc *smithy.Service, op *smithy.Operation, f *fault.Fault) (*smithy.Shape, reflect.Value, error) {
	sh := FaultShape(svc, op, f)
	if f.Body == nil {
		return sh, reflect.Value{}, nil
	}
	v := reflect.Indirect(reflect.ValueOf(f.Body))
	if !v.IsValid() {
		return sh, reflect.Value{}, nil
	}
	if byType := svc.ErrorShape(f.Body); byType != nil {
		sh = byType
	}
	if sh == nil || v.Kind() != reflect.Struct {
		return nil, reflect.Value{}, fmt.Errorf("wire: fault %s carries a %T, which %s does not define", f.Code, f.Body, svc.Name)
	}
	for i := range sh.Members {
		if int(sh.Members[i].Field) >= v.NumField() {
			return nil, reflect.Value{}, fmt.Errorf("wire: fault %s carries a %T, not a %s", f.Code, f.Body, sh.Name)
		}
	}
	return sh, v, nil
}

// MessageMember returns the member of an error structure that carries its
// message, or nil.
func MessageMember(sh *smithy.Shape) *smithy.Member {
	if sh == nil {
		return nil
	}
	for i := range sh.Members {
		m := &sh.Members[i]
		if m.Location == smithy.InBody && (strings.EqualFold(m.Name, "message") || strings.EqualFold(m.WireName, "message")) {
			return m
		}
	}
	return nil
}
