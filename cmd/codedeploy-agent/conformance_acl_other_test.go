//go:build unix && !linux

package main

import "io/fs"

// accessLists prints the access control lists of a file, which only Linux has in this form.
func accessLists(string, fs.FileInfo) string { return "" }

func longAccessLists(string, func(string, uint32) string) []string { return nil }

func extendedAttributes(string) string { return "" }

func supportsACLs(string) bool { return false }
