// Package logs makes the logs of both programs, by the same flags.
//
// A line is text or JSON for a file or a terminal. The journal and syslog know time and
// level of a line themselves: there a line is text without them, and its priority is
// its level.
package logs
