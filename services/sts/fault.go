package sts

import "moln.dev/moln/aws/fault"

// sessionCaller answers a session that asks for another session token.
var sessionCaller = fault.Fault{
	Code: "AccessDenied", Status: 403, Sender: true,
	Message: "Cannot call GetSessionToken with session credentials",
}
