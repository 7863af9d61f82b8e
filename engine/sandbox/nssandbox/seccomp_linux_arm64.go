package nssandbox

// deniedHere are calls that exist on this architecture only.
var deniedHere []uint32
