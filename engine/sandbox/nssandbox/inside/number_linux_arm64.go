package inside

const (
	sysSetns   = 268
	sysSeccomp = 277
)
