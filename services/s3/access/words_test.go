package access

import "testing"

func TestFaults(t *testing.T) {
	for document, want := range map[string]string{
		`{}`:                             "Missing required field Statement",
		`{"Statement":[]}`:               "Could not parse the policy: Statement is empty!",
		`{"Version":"1","Statement":[]}`: "The policy must contain a valid version string",
		`{"Version":"2012-10-17","Statement":{"Effect":"Permit"}}`: "Invalid effect: Permit",
		`{"Statement":{"Effect":"Allow"}}`:                         "",
		`[]`:                                                       "",
	} {
		if got := Fault([]byte(document)); got != want {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
	}
}

func TestActionsApply(t *testing.T) {
	for _, tt := range []struct {
		actions, resources string
		want               bool
	}{
		{`"s3:GetObject"`, `"arn:aws:s3:::b/*"`, true},
		{`"s3:GetObject"`, `"arn:aws:s3:::b"`, false},
		{`"s3:getobject"`, `["arn:aws:s3:::b","arn:aws:s3:::b/k"]`, true},
		{`"s3:ListBucket"`, `"arn:aws:s3:::b"`, true},
		{`"s3:ListBucket"`, `"arn:aws:s3:::b/*"`, false},
		{`["s3:GetObject","s3:ListBucket"]`, `"arn:aws:s3:::b/*"`, false},
		{`["s3:GetObject","s3:ListBucket"]`, `"arn:aws:s3:::b*"`, true},
		{`"s3:Abort*"`, `"arn:aws:s3:::b"`, false},
		{`"s3:???BucketVersioning"`, `"arn:aws:s3:::b/*"`, false},
		{`"s3:*"`, `"arn:aws:s3:::b"`, true},
		{`"s3:Get*"`, `"arn:aws:s3:::b/*"`, true},
		{`"*"`, `"arn:aws:s3:::b/*"`, true},
		{`"s3:ListAllMyBuckets"`, `"arn:aws:s3:::b"`, false},
		{`"s3:NotYetKnown"`, `"arn:aws:s3:::b"`, true},
	} {
		if got := Applies([]byte(`{"Statement":{"Action":` + tt.actions + `,"Resource":` + tt.resources + `}}`)); got != tt.want {
			t.Errorf("%s on %s: %v", tt.actions, tt.resources, got)
		}
	}
}
