package esm

import (
	"context"
	"encoding/json"
	"fmt"

	"moln.dev/moln/api/kms"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// contextKey is what a mapping's filters are bound to in KMS.
const contextKey = "aws:lambda:EventSourceMappingArn"

func (m *Mapping) kmsContext() map[string]string {
	return map[string]string{contextKey: arnOf(m.Place, m.UUID)}
}

// purpose binds sealed filters to their mapping.
func (m *Mapping) purpose() string { return "lambda/filters/" + arnOf(m.Place, m.UUID) }

// sealFilters puts a mapping's filters under its KMS key, where it has one, as
// c's caller, who needs kms:GenerateDataKey.
//
// Source: invocation-eventfiltering, "Encryption of filter criteria".
func sealFilters(ctx context.Context, c *service.Call, m *Mapping) error {
	m.Sealed, m.DataKey = nil, nil
	if m.KMSKey == "" || len(m.Filters) == 0 {
		return nil
	}
	out, err := service.Invoke(ctx, c, kms.GenerateDataKey, &kms.GenerateDataKeyInput{KeyId: &m.KMSKey, KeySpec: new(kms.DataKeySpecAes256), EncryptionContext: m.kmsContext()})
	if f := fault.As(err); f != nil {
		return fn.Invalid("Lambda was unable to encrypt your filter criteria. Please check your KMS key settings. KMS Exception: %s KMS Message: %s", f.Code, f.Message)
	}
	if err != nil {
		return err
	}
	box, err := seal.New(out.Plaintext)
	if err != nil {
		return err
	}
	m.Sealed, m.DataKey, m.Filters = box.Seal(m.purpose(), encode(m.Filters)), out.CiphertextBlob, nil
	return nil
}

// openFilters gives the filters of a mapping; KMS is asked as c's caller, and its
// faults come as they are.
func openFilters(ctx context.Context, c *service.Call, m *Mapping) ([]string, error) {
	if m.Sealed == nil {
		return m.Filters, nil
	}
	out, err := service.Invoke(ctx, c, kms.Decrypt, &kms.DecryptInput{CiphertextBlob: m.DataKey, EncryptionContext: m.kmsContext()})
	if err != nil {
		return nil, err
	}
	box, err := seal.New(out.Plaintext)
	if err != nil {
		return nil, err
	}
	raw, err := box.Open(m.purpose(), m.Sealed)
	if err != nil {
		return nil, fmt.Errorf("esm: filters of %s: %w", m.UUID, err)
	}
	var filters []string
	return filters, json.Unmarshal(raw, &filters)
}

// showFilters shows sealed filters to who may decrypt them, and the others why
// not.
func showFilters(ctx context.Context, c *service.Call, m *Mapping, out *configuration) error {
	if m.Sealed == nil {
		return nil
	}
	filters, err := openFilters(ctx, c, m)
	if f := fault.As(err); f != nil {
		out.FilterCriteriaError = &api.FilterCriteriaError{
			ErrorCode: new("KMS" + f.Code), Message: new("Lambda was unable to decrypt your filter criteria. Please check your KMS permissions. KMS Exception: " + f.Code + " KMS Message: " + f.Message),
		}
		return nil
	}
	out.FilterCriteria = criteriaOf(filters)
	return err
}

// filtersToPoll are the filters for a poller, which KMS shows to Lambda's own
// principal where the key's policy lets it.
func (s *Service) filtersToPoll(ctx context.Context, m *Mapping) ([]string, error) {
	c := s.deps.System(m.Account, m.Region).As(identity.Service(run.ServicePrincipal, m.Account, arnOf(m.Place, m.UUID)))
	return openFilters(ctx, c, m)
}
