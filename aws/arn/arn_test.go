package arn

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want ARN
		err  error
	}{
		{in: "arn:aws:s3:::bucket", want: ARN{"aws", "s3", "", "", "bucket"}},
		{in: "arn:aws:s3:::bucket/a key:with colon", want: ARN{"aws", "s3", "", "", "bucket/a key:with colon"}},
		{in: "arn:aws:iam::123456789012:role/p/q/r", want: ARN{"aws", "iam", "", "123456789012", "role/p/q/r"}},
		{in: "arn:aws:lambda:eu-west-1:123456789012:function:f:live", want: ARN{"aws", "lambda", "eu-west-1", "123456789012", "function:f:live"}},
		{in: "arn:aws-cn:sqs:cn-north-1:1:q", want: ARN{"aws-cn", "sqs", "cn-north-1", "1", "q"}},
		{in: "", err: ErrPrefix},
		{in: "*", err: ErrPrefix},
		{in: "ARN:aws:s3:::b", err: ErrPrefix},
		{in: "arn:aws:s3::b", err: ErrFields},
		{in: "arn:aws:s3:::", err: ErrEmpty},
		{in: "arn::s3:::b", err: ErrEmpty},
		{in: "arn:aws::::b", err: ErrEmpty},
		{in: "arn:aws:s 3:::b", err: ErrBadBytes},
		{in: "arn:aws:s3:\n::b", err: ErrBadBytes},
		{in: "arn:aws:s3:::" + strings.Repeat("b", MaxBytes), err: ErrTooLong},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if !errors.Is(err, tt.err) {
			t.Errorf("Parse(%q) error = %v, want %v", tt.in, err, tt.err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tt.in, diff)
		}
		if err == nil && got.String() != tt.in {
			t.Errorf("String() = %q, want %q", got.String(), tt.in)
		}
	}
}

func TestSplitResourceAndName(t *testing.T) {
	tests := []struct{ resource, kind, id, name string }{
		{"role/path/name", "role", "path/name", "name"},
		{"function:f:1", "function", "f:1", "function:f:1"},
		{"bucket", "", "bucket", "bucket"},
		{"log-group:/aws/lambda/f:*", "log-group", "/aws/lambda/f:*", "f:*"},
		{"table/t/index/i", "table", "t/index/i", "i"},
		{"/restapis/x", "", "restapis/x", "x"},
	}
	for _, tt := range tests {
		a := ARN{Partition: "aws", Service: "x"}.WithResource(tt.resource)
		kind, id := a.SplitResource()
		if kind != tt.kind || id != tt.id || a.Name() != tt.name {
			t.Errorf("%q: got (%q, %q, %q), want (%q, %q, %q)", tt.resource, kind, id, a.Name(), tt.kind, tt.id, tt.name)
		}
	}
}

func TestZero(t *testing.T) {
	if got := (ARN{}).String(); got != "" || !(ARN{}).IsZero() {
		t.Errorf("zero ARN prints as %q", got)
	}
}

func TestPartitionOf(t *testing.T) {
	for region, want := range map[string]string{
		"": "aws", "us-east-1": "aws", "mx-central-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov",
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e",
		"us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	} {
		if got := PartitionOf(region); got != want {
			t.Errorf("PartitionOf(%q) = %q, want %q", region, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/r")
	f.Add("arn:aws:s3:::b/k:v")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if a.String() != s {
			t.Fatalf("%q prints as %q", s, a.String())
		}
		if kind, id := a.SplitResource(); len(kind)+len(id) > len(a.Resource) {
			t.Fatalf("split of %q made bytes: %q %q", a.Resource, kind, id)
		}
	})
}
