package server

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// llama tells the figures of the meters by the names that llama-server has for
// them, for dashboards that were made for it.
type llama struct {
	m       *meters
	queue   func() *queue
	metrics []llamaMetric
}

type llamaMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(llama) float64
}

// prefix of llama-server's names. The colon is theirs.
const llamaPrefix = "llamacpp:"

func newLlama(m *meters, queue func() *queue) llama {
	l := llama{m: m, queue: queue}
	add := func(name, help string, kind prometheus.ValueType, value func(llama) float64) {
		l.metrics = append(l.metrics, llamaMetric{prometheus.NewDesc(llamaPrefix+name, help, nil, nil), kind, value})
	}
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	add("prompt_tokens_total", "Tokens of prompts that were computed.", counter, llama.computed)
	add("prompt_seconds_total", "Time spent on prompts.", counter, func(l llama) float64 { return value(l.m.reading) })
	add("tokens_predicted_total", "Tokens of answers.", counter, func(l llama) float64 { return value(l.m.answer) })
	add("tokens_predicted_seconds_total", "Time spent on answers.", counter, func(l llama) float64 { return value(l.m.writing) })
	add("prompt_tokens_seconds", "Tokens of prompts computed in a second, on average.", gauge,
		func(l llama) float64 { return ratio(l.computed(), value(l.m.reading)) })
	add("predicted_tokens_seconds", "Tokens of answers in a second, on average.", gauge,
		func(l llama) float64 { return ratio(value(l.m.answer), value(l.m.writing)) })
	add("requests_processing", "Requests that are computed.", gauge, func(l llama) float64 { _, n := l.queue().state(); return float64(n) })
	add("requests_deferred", "Requests that wait for their turn.", gauge, func(l llama) float64 { all, n := l.queue().state(); return float64(all - n) })
	return l
}

func (l llama) computed() float64 { return value(l.m.prompt) - value(l.m.reused) }

// Describe implements prometheus.Collector.
func (l llama) Describe(out chan<- *prometheus.Desc) {
	for _, m := range l.metrics {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (l llama) Collect(out chan<- prometheus.Metric) {
	for _, m := range l.metrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(l))
	}
}

// value is that of a counter.
func value(c prometheus.Counter) float64 {
	var now dto.Metric
	if c.Write(&now) != nil {
		return 0 // it cannot fail
	}
	return now.GetCounter().GetValue()
}

func ratio(n, seconds float64) float64 {
	if seconds == 0 {
		return 0
	}
	return n / seconds
}
