package inside

const (
	sysSetns   = 308
	sysSeccomp = 317
)
