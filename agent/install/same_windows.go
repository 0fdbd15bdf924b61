package install

// sameFiles says whether two regular files have the same content; what cannot be read is not the same.
func sameFiles(one, other string) bool {
	x, err := openRegular(one)
	if err != nil {
		return false
	}
	defer x.Close()
	return sameContent(x, other)
}
