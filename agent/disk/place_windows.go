package disk

// MayChange cannot be answered on Windows without trying.
func MayChange(string) error { return nil }
