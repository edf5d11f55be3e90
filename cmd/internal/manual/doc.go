// Package manual writes the manual pages of a program from its commands, so that
// they say what its help says.
package manual
