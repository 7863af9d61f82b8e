package events

import "moln.dev/moln/platform/service"

func resources() []service.ResourceType { return nil }
