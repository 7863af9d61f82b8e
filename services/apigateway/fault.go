package apigateway

import (
	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/fault"
)

func errNoAPI(p place, id string) *fault.Fault {
	return api.ErrNotFoundException("Invalid API identifier specified %s:%s", p.Account, id)
}

func errNoResource() *fault.Fault {
	return api.ErrNotFoundException("Invalid Resource identifier specified")
}

func errNoMethod() *fault.Fault {
	return api.ErrNotFoundException("Invalid Method identifier specified")
}

func errNoIntegration() *fault.Fault {
	return api.ErrNotFoundException("Invalid Integration identifier specified")
}

func errNoResponse() *fault.Fault {
	return api.ErrNotFoundException("Invalid Response status code specified")
}

// errRefused names a setting that exists in AWS and would do nothing here.
func errRefused(what string) *fault.Fault {
	return api.ErrBadRequestException("moln does not support %s yet; it is refused rather than ignored", what)
}

// refuse answers errRefused for the first setting that is asked for.
func refuse(settings ...refusal) error {
	for _, s := range settings {
		if s.asked {
			return errRefused(s.what)
		}
	}
	return nil
}

type refusal struct {
	asked bool
	what  string
}
