package run

import (
	"testing"
)

// TestCustomResourcesFindTheirAnswerBox: the host that CloudFormation's
// ResponseURLs name is moln inside an environment.
func TestCustomResourcesFindTheirAnswerBox(t *testing.T) {
	const host = "cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com"
	if got := awsHosts("eu-west-1")[host]; got != "127.0.0.1" {
		t.Errorf("%s leads to %q", host, got)
	}
}
