package sigv4

import "testing"

// The example of AWS's documentation of browser-based uploads.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
const docPolicy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"

func TestDocumentedText(t *testing.T) {
	text := Text{
		Date: "20151229", Region: "us-east-1", Service: "s3", Text: docPolicy,
		Signature: "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
	}
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	if got := SignText(secret, text.Date, text.Region, text.Service, text.Text); got != text.Signature {
		t.Errorf("signature %s", got)
	}
	if err := text.Verify(secret, NewKeyCache(1)); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string]Text{
		"text":      {text.Date, text.Region, text.Service, text.Text + "=", text.Signature},
		"date":      {"20151230", text.Region, text.Service, text.Text, text.Signature},
		"signature": {text.Date, text.Region, text.Service, text.Text, ""},
	} {
		if kindOf(wrong.Verify(secret, nil)) != KindMismatch {
			t.Errorf("another %s passed", name)
		}
	}
}
