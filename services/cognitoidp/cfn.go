package cognitoidp

import "moln.dev/moln/platform/service"

func resourceTypes() []service.ResourceType { return nil }
