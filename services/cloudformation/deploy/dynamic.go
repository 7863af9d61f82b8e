package deploy

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"moln.dev/moln/api/secretsmanager"
	"moln.dev/moln/api/ssm"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/template"
)

// dynamicReference is {{resolve:service:key}}.
var dynamicReference = regexp.MustCompile(`\{\{resolve:([a-z-]+):([^}]*)\}\}`)

// resolveDynamic replaces dynamic references in properties, as the stack's
// caller or role.
func (r *run) resolveDynamic(ctx context.Context, properties map[string]any) (map[string]any, error) {
	v, err := resolveValue(ctx, r.call, properties)
	if err != nil {
		return nil, err
	}
	m, _ := v.(map[string]any)
	return m, nil
}

func resolveValue(ctx context.Context, c *service.Call, v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return v, nil
		}
		out := make(map[string]any, len(v))
		for k, item := range v {
			got, err := resolveValue(ctx, c, item)
			if err != nil {
				return nil, err
			}
			out[k] = got
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			got, err := resolveValue(ctx, c, item)
			if err != nil {
				return nil, err
			}
			out[i] = got
		}
		return out, nil
	case string:
		return resolveText(ctx, c, v)
	}
	return v, nil
}

func resolveText(ctx context.Context, c *service.Call, s string) (string, error) {
	if !strings.Contains(s, "{{resolve:") {
		return s, nil
	}
	var failed error
	out := dynamicReference.ReplaceAllStringFunc(s, func(ref string) string {
		m := dynamicReference.FindStringSubmatch(ref)
		got, err := lookUp(ctx, c, m[1], m[2])
		if err != nil && failed == nil {
			failed = err
		}
		return got
	})
	return out, failed
}

func lookUp(ctx context.Context, c *service.Call, kind, key string) (string, error) {
	switch kind {
	case "ssm", "ssm-secure":
		out, err := service.Invoke(ctx, c, ssm.GetParameter, &ssm.GetParameterInput{Name: &key, WithDecryption: new(kind == "ssm-secure")})
		if err != nil {
			return "", referenceFault(err, kind, key)
		}
		if out.Parameter == nil {
			return "", template.Error("Parameter " + key + " has no value")
		}
		return smithy.Val(out.Parameter.Value), nil
	case "secretsmanager":
		return lookUpSecret(ctx, c, key)
	}
	return "", template.Error("Template error: dynamic references of " + kind + " are not supported")
}

// referenceFault says which reference failed.
func referenceFault(err error, kind, key string) error {
	if f := fault.As(err); f != nil {
		return template.Error("Could not resolve {{resolve:" + kind + ":" + key + "}}: " + f.Message)
	}
	return err
}

// lookUpSecret takes secret-id:SecretString:json-key:version-stage:version-id,
// where the id may be an ARN.
func lookUpSecret(ctx context.Context, c *service.Call, key string) (string, error) {
	id, rest, _ := strings.Cut(key, ":SecretString")
	if !strings.HasPrefix(id, "arn:") {
		id, _, _ = strings.Cut(id, ":")
	}
	parts := append(strings.Split(strings.TrimPrefix(rest, ":"), ":"), "", "", "")
	in := &secretsmanager.GetSecretValueInput{SecretId: &id}
	if parts[1] != "" {
		in.VersionStage = &parts[1]
	}
	if parts[2] != "" {
		in.VersionId = &parts[2]
	}
	out, err := service.Invoke(ctx, c, secretsmanager.GetSecretValue, in)
	if err != nil {
		return "", referenceFault(err, "secretsmanager", key)
	}
	text := smithy.Val(out.SecretString)
	if parts[0] == "" {
		return text, nil
	}
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) != nil {
		return "", template.Error("Could not parse SecretString JSON of " + id)
	}
	value, ok := template.Text(fields[parts[0]])
	if !ok {
		return "", template.Error("Could not find a value associated with JSONKey in SecretString of " + id)
	}
	return value, nil
}
