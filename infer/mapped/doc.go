// Package mapped maps whole files read-only, on huge pages where the system has
// them, and turns the faults of files that went away into errors.
//
// A mapped page can fault when the mount behind it dies. Goroutines that read one
// run under Guard, or under debug.SetPanicOnFault with an AsFault of their own.
package mapped
