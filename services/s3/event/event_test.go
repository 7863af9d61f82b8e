package event

import (
	"fmt"
	"testing"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

func TestNotificationConfigurations(t *testing.T) {
	conf := func(event, prefix, suffix string) api.LambdaFunctionConfiguration {
		return api.LambdaFunctionConfiguration{
			LambdaFunctionArn: new("arn:aws:lambda:us-east-1:111122223333:function:f"), Events: []string{event},
			Filter: &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{FilterRules: []api.FilterRule{{Name: new("prefix"), Value: new(prefix)}, {Name: new("suffix"), Value: new(suffix)}}}},
		}
	}
	for i, tt := range []struct {
		list []api.LambdaFunctionConfiguration
		want string
	}{
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "a/", ""), conf("s3:ObjectCreated:Put", "b/", "")}, "<nil>"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "a/", ""), conf("s3:ObjectCreated:Put", "a/b", "")}, "InvalidArgument"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "", ".jpg"), conf("s3:ObjectCreated:*", "", ".png")}, "<nil>"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "", "g"), conf("s3:ObjectCreated:*", "", ".jpg")}, "InvalidArgument"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "", ""), conf("s3:ObjectRemoved:*", "", "")}, "<nil>"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ReducedRedundancyLostObject", "", "")}, "NotImplemented"},
	} {
		if err := Check(&api.NotificationConfiguration{LambdaFunctionConfigurations: tt.list}, "us-east-1"); code(err) != tt.want {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return fmt.Sprint(err)
}
