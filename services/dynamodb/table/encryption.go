package table

import (
	api "moln.dev/moln/api/dynamodb"
)

// Encryption is the KMS key that a table was given. It is checked and shown;
// nothing is encrypted under it.
type Encryption struct {
	KeyARN string
	// Off says that there was a key once: AWS then shows that there is none.
	Off bool `json:",omitempty"`
}

// describe is nil for tables that never had a key.
func (e *Encryption) describe() *api.SSEDescription {
	switch {
	case e == nil:
		return nil
	case e.Off:
		return &api.SSEDescription{Status: new(api.SSEStatusDisabled)}
	}
	return &api.SSEDescription{Status: new(api.SSEStatusEnabled), SSEType: new(api.SSETypeKms), KMSMasterKeyArn: &e.KeyARN}
}

// Encrypt carries out what UpdateTable says of the key.
func (t *Table) Encrypt(spec *api.SSESpecification, e *Encryption) {
	switch {
	case spec == nil:
	case e != nil:
		t.SSE = e
	case t.SSE != nil:
		t.SSE = &Encryption{Off: true}
	}
}
