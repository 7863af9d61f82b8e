// Package variables keeps functions' environment variables unreadable at rest:
// sealed with moln's own key, and below that, where the function names a KMS key,
// with a data key which only that KMS key opens. What a variable may be called
// is not its business.
package variables

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	kms "moln.dev/moln/api/kms"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// contextKey is what Lambda binds its ciphertexts to.
const contextKey = "aws:lambda:FunctionArn"

// Box seals and opens variables. Safe for concurrent use.
type Box struct {
	Seal *seal.Sealer
	IDs  *ident.Source
}

func purpose(r fn.Ref) string {
	return fmt.Sprintf("lambda/environment/%s/%s/%s", r.Account, r.Region, r.Name)
}

// Put makes vars the variables of g, under g's KMS key where it has one. KMS is
// asked as the caller of c.
func (b Box) Put(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config, vars map[string]string) error {
	g.Env, g.DataKey = nil, nil
	if len(vars) == 0 {
		return nil
	}
	raw, err := json.Marshal(vars)
	if err != nil {
		return err
	}
	if g.KMSKey != "" {
		data := b.IDs.Bytes(seal.KeyBytes)
		inner, err := seal.New(data)
		if err != nil {
			return err
		}
		out, err := service.Invoke(ctx, c, kms.Encrypt, &kms.EncryptInput{KeyId: &g.KMSKey, Plaintext: data, EncryptionContext: bound(r)})
		if err != nil {
			return refusedAs(err, "Lambda was unable to encrypt your environment variables because %s. Please check your KMS key settings. KMS Exception: %s KMS Message: %s")
		}
		g.DataKey, raw = out.CiphertextBlob, inner.Seal(purpose(r), raw)
	}
	g.Env = b.Seal.Seal(purpose(r), raw)
	return nil
}

func bound(r fn.Ref) map[string]string {
	return map[string]string{contextKey: r.Unqualified().ARN()}
}

// Grant lets g's role use g's KMS key for the function's variables. KMS is asked
// as the caller of c; the same grant is not made twice.
func (b Box) Grant(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config) error {
	if g.KMSKey == "" || g.Env == nil {
		return nil
	}
	_, err := service.Invoke(ctx, c, kms.CreateGrant, &kms.CreateGrantInput{
		KeyId: &g.KMSKey, GranteePrincipal: &g.Role, Operations: []string{kms.GrantOperationDecrypt},
		Constraints: &kms.GrantConstraints{EncryptionContextEquals: bound(r)}, Name: new("lambda-" + hex.EncodeToString([]byte(r.Name))),
	})
	if err != nil {
		return refusedAs(err, "Lambda was unable to configure access to your environment variables because %s. Please check your KMS key settings. KMS Exception: %s KMS Message: %s")
	}
	return nil
}

// refusedAs words what KMS answered to one who configures a function.
func refusedAs(err error, text string) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	why := "the KMS key is invalid"
	switch f.Code {
	case "AccessDeniedException":
		why = "the KMS access was denied"
	case "NotFoundException":
		why = "the KMS key was not found"
	case "DisabledException":
		why = "the KMS key used is disabled"
	case "KMSInvalidStateException":
		why = "the state of the KMS key used is not valid"
	}
	return fn.Invalid(text, why, f.Code, f.Message)
}

// Get opens the variables of g, nil for none. KMS is asked as the caller of c;
// its faults come as they are.
func (b Box) Get(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config) (map[string]string, error) {
	if g.Env == nil {
		return nil, nil
	}
	raw, err := b.Seal.Open(purpose(r), g.Env)
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", r.Name, err)
	}
	if g.DataKey != nil {
		out, err := service.Invoke(ctx, c, kms.Decrypt, &kms.DecryptInput{CiphertextBlob: g.DataKey, EncryptionContext: bound(r)})
		if err != nil {
			return nil, err
		}
		inner, err := seal.New(out.Plaintext)
		if err != nil {
			return nil, err
		}
		if raw, err = inner.Open(purpose(r), raw); err != nil {
			return nil, fmt.Errorf("environment of %s: %w", r.Name, err)
		}
	}
	vars := map[string]string{}
	return vars, json.Unmarshal(raw, &vars)
}

// Shown is what a reader sees: the variables, or why not.
func (b Box) Shown(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config) (map[string]string, *api.EnvironmentError, error) {
	vars, err := b.Get(ctx, c, r, g)
	if f := fault.As(err); f != nil && g.DataKey != nil {
		return nil, &api.EnvironmentError{
			ErrorCode: &f.Code,
			Message:   new("Lambda was unable to decrypt your environment variables because the KMS access was denied. Please check your KMS permissions. KMS Exception: " + f.Code + " KMS Message: " + f.Message),
		}, nil
	}
	return vars, nil, err
}

// ForRun opens the variables as the function's role, which c's caller is. What
// KMS refuses is the invocation's fault.
func (b Box) ForRun(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config) (map[string]string, error) {
	vars, err := b.Get(ctx, c, r, g)
	f := fault.As(err)
	if f == nil || g.DataKey == nil {
		return vars, err
	}
	const text = "Lambda was unable to decrypt the environment variables because %s. Please check the function's KMS key settings."
	switch f.Code {
	case "DisabledException":
		return nil, api.ErrKMSDisabledException(text, "the KMS key used is disabled")
	case "KMSInvalidStateException":
		return nil, api.ErrKMSInvalidStateException(text, "the state of the KMS key used is not valid for Decrypt")
	case "NotFoundException":
		return nil, api.ErrKMSNotFoundException(text, "the KMS key was not found")
	}
	return nil, api.ErrKMSAccessDeniedException(text+" KMS Exception: %s KMS Message: %s", "KMS access was denied", f.Code, f.Message)
}

// Same says, without asking KMS, that two versions of a function have the same
// variables. Under a KMS key those that were set twice count as different.
func (b Box) Same(r fn.Ref, x, y *fn.Config) (bool, error) {
	if x.KMSKey != y.KMSKey || (x.DataKey == nil) != (y.DataKey == nil) || (x.Env == nil) != (y.Env == nil) {
		return false, nil
	}
	if x.Env == nil {
		return true, nil
	}
	one, err := b.Seal.Open(purpose(r), x.Env)
	if err != nil {
		return false, err
	}
	two, err := b.Seal.Open(purpose(r), y.Env)
	if err != nil || x.DataKey != nil {
		return string(one) == string(two), err
	}
	var p, q map[string]string
	if err := json.Unmarshal(one, &p); err != nil {
		return false, err
	}
	if err := json.Unmarshal(two, &q); err != nil {
		return false, err
	}
	return maps.Equal(p, q), nil
}
