// Package metrics says what Prometheus is told of a mount, once, for three places:
// the control file stats, the listener's /metrics, and docs/METRICS.md.
//
// A metric is a line of the list in describe.go: its name, its help, its labels,
// and how its values are found in an expertfs.Stats. Text writes the list as the
// control file has it, Collector hands it to the client library, and Table is that
// of the document. Nothing is counted here.
//
// A series of a metric without labels, or with labels whose values are known
// beforehand, is there from the mount on. Those of readers come and go with them.
package metrics
