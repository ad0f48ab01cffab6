//go:build !linux

package main

// memoryFolder knows of none outside Linux.
func memoryFolder() string { return "" }
