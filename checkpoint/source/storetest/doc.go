// Package storetest serves files to tests as places on a network do, and makes the
// faults that networks have.
package storetest
