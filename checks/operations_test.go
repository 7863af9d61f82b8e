package checks

import (
	"context"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/server"
)

func openServer(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{
		Listen: "127.0.0.1:0", Ephemeral: true,
		RootAccessKey: server.LocalAccessKey, RootSecretKey: server.LocalSecretKey,
	}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestOneRowPerOperation: every operation of every model stands in its
// service's table exactly once, and what is not there says why.
func TestOneRowPerOperation(t *testing.T) {
	for _, d := range openServer(t).Definitions() {
		rows := map[string]int{}
		for _, op := range d.Operations {
			_, model := op.Of()
			rows[model.Name]++
			if op.Level != service.LevelFull && strings.TrimSpace(op.Note) == "" {
				t.Errorf("%s %s is not full and has no note", d.Schema.Name, model.Name)
			}
			if (op.Level == service.LevelNone) != (op.Call == nil) {
				t.Errorf("%s %s: level and handler disagree", d.Schema.Name, model.Name)
			}
		}
		for _, op := range d.Schema.Operations {
			if rows[op.Name] != 1 {
				t.Errorf("%s %s has %d rows, want 1", d.Schema.Name, op.Name, rows[op.Name])
			}
		}
	}
}

// unjudged are the signed operations that need no permission at AWS.
var unjudged = map[string]string{
	"sts GetCallerIdentity": "whoever can sign may ask who he is",
	"sts GetAccessKeyInfo":  "needs no permission at AWS",
	"sts GetSessionToken":   "needs no permission at AWS",
	"sts AssumeRole":        "the role's trust policy is judged by the handler, which loads the role",
}

// TestEveryOperationIsJudged: a signed operation that does something asks for
// at least one permission, on a resource.
func TestEveryOperationIsJudged(t *testing.T) {
	s := openServer(t)
	judged := 0
	for _, d := range s.Definitions() {
		for _, op := range d.Operations {
			_, model := op.Of()
			name := d.Schema.Name + " " + model.Name
			if op.Level == service.LevelNone || model.Auth == smithy.AuthNone || unjudged[name] != "" {
				continue
			}
			if d.Authorize == nil {
				if len(model.Actions) == 0 {
					t.Errorf("%s needs no permission", name)
				}
				continue
			}
			in := op.NewInput()
			fill(d.Schema, model.Input, reflect.ValueOf(in).Elem(), 0)
			checks, err := d.Authorize(context.Background(), s.Call(identity.DefaultAccount, identity.DefaultRegion), model, in)
			if err != nil && fault.As(err) != nil {
				continue // refused before it is judged: nothing happens
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			judged++
			if len(checks) == 0 {
				t.Errorf("%s asks for no permission", name)
			}
			for _, c := range checks {
				if !strings.Contains(c.Action, ":") || c.Resource == "" {
					t.Errorf("%s: check of %q on %q", name, c.Action, c.Resource)
				}
			}
		}
	}
	t.Logf("%d operations judged", judged)
}

// fillDepth bounds how deep required members are filled.
const fillDepth = 4

// fill sets the required members of a structure to values of their kind.
func fill(svc *smithy.Service, id smithy.ShapeID, v reflect.Value, depth int) {
	shape := svc.Shape(id)
	if shape.Kind != smithy.KindStructure || depth > fillDepth {
		return
	}
	for _, m := range shape.Members {
		if m.Has(smithy.Required) || strings.HasSuffix(m.Name, "Name") {
			fillValue(svc, m.Shape, v.Field(int(m.Field)), depth)
		}
	}
}

func fillValue(svc *smithy.Service, id smithy.ShapeID, f reflect.Value, depth int) {
	if f.Kind() == reflect.Pointer {
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	shape := svc.Shape(id)
	switch f.Kind() {
	case reflect.String:
		f.SetString(sampleText(shape))
	case reflect.Struct:
		if _, ok := f.Interface().(time.Time); !ok {
			fill(svc, id, f, depth+1)
		}
	case reflect.Slice:
		if f.Type().Elem().Kind() == reflect.Uint8 {
			f.SetBytes([]byte("x"))
			return
		}
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		fillValue(svc, shape.Members[0].Shape, f.Index(0), depth+1)
	case reflect.Map:
		f.Set(reflect.MakeMap(f.Type()))
		if shape.Kind == smithy.KindMap && depth < fillDepth {
			value := reflect.New(f.Type().Elem()).Elem()
			fillValue(svc, shape.Members[1].Shape, value, depth+1)
			f.SetMapIndex(reflect.ValueOf("sample-name"), value)
		}
	}
}

func sampleText(shape *smithy.Shape) string {
	if shape.Constraints != nil && len(shape.Constraints.Enum) > 0 {
		return shape.Constraints.Enum[0]
	}
	return "sample-name"
}
