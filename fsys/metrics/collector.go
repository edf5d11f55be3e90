package metrics

import (
	"net/http"

	"expertfs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector hands the list to the client library. Figures are read when they are
// asked for.
type collector struct {
	stats func() (*expertfs.Stats, error)
	descs []*prometheus.Desc // of all, in order
	load  *prometheus.Desc
}

// NewCollector makes a collector of the figures that stats returns.
func NewCollector(stats func() (*expertfs.Stats, error)) prometheus.Collector {
	c := &collector{stats: stats, load: prometheus.NewDesc(latencyName, latencyHelp, nil, nil)}
	for _, m := range all {
		c.descs = append(c.descs, prometheus.NewDesc(prefix+m.name, m.help, m.labels, nil))
	}
	return c
}

// Handler serves the figures that stats returns in the formats that Prometheus
// asks for. With process it adds those of this program and of Go.
func Handler(stats func() (*expertfs.Stats, error), process bool) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(NewCollector(stats))
	if process {
		r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
	out <- c.load
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s, err := c.stats()
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.load, err)
		return
	}
	for i, m := range all {
		kind := prometheus.GaugeValue
		if m.isCounter() {
			kind = prometheus.CounterValue
		}
		for _, one := range m.series(s) {
			values := make([]string, len(one.labels))
			for i, v := range one.labels {
				values[i] = valid(v)
			}
			out <- prometheus.MustNewConstMetric(c.descs[i], kind, one.value, values...)
		}
	}
	list, count := buckets(&s.Cache.Latency)
	counts := make(map[float64]uint64, len(list))
	for _, b := range list {
		counts[b.bound] = uint64(b.count)
	}
	out <- prometheus.MustNewConstHistogram(c.load, uint64(count), s.Cache.Latency.Sum.Seconds(), counts)
}
