package table

// Policy is a table's resource policy, as it was given.
type Policy struct {
	Document string
	// Revision is new with every other document.
	Revision string
}
