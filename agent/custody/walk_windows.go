package custody

// Check finds nothing: access control lists of Windows are not read.
func Check(string) error { return nil }

// CheckInPlace finds nothing, as Check.
func CheckInPlace(string) error { return nil }

func exposed(string) string { return "" }
