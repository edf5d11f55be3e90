package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// meters are what GET /metrics shows.
type meters struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	prompt   prometheus.Counter
	reused   prometheus.Counter
	answer   prometheus.Counter
	reading  prometheus.Counter
	writing  prometheus.Counter
}

func newMeters(s *Server) *meters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "gptoss", Name: name, Help: help})
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "gptoss", Name: name, Help: help}, value)
	}
	m := &meters{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "gptoss", Name: "http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "gptoss", Name: "http_request_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30, 100, 300, 1000},
		}, []string{"route"}),
		prompt:  counter("prompt_tokens_total", "Tokens of prompts, computed or reused."),
		reused:  counter("prompt_tokens_reused_total", "Tokens of prompts that did not have to be computed."),
		answer:  counter("generated_tokens_total", "Tokens of answers."),
		reading: counter("prompt_seconds_total", "Time spent on prompts, added up over those computed at the same time."),
		writing: counter("generated_seconds_total", "Time spent on answers, added up over those computed at the same time."),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.prompt, m.reused, m.answer, m.reading, m.writing,
		gauge("slots", "Texts that can be computed at a time.", func() float64 { return float64(s.queue.size()) }),
		gauge("requests_running", "Requests that are computed.", func() float64 { _, n := s.queue.state(); return float64(n) }),
		gauge("requests_waiting", "Requests that wait for their turn.", func() float64 { all, n := s.queue.state(); return float64(all - n) }),
		gauge("ready", "1 while requests are computed, 0 while the model loads, has failed or the server ends.", func() float64 {
			if state, _ := s.life.state(); state == ready {
				return 1
			}
			return 0
		}),
		newLlama(m, func() *queue { return s.queue }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// text counts a text.
func (m *meters) text(o outcome) {
	m.prompt.Add(float64(o.prompt))
	m.reused.Add(float64(o.reused))
	m.answer.Add(float64(o.generated))
	m.reading.Add(o.reading.Seconds())
	m.writing.Add(o.writing.Seconds())
}

// count serves a route and counts its answers. The series of those that are well is
// there before the first one.
func (m *meters) count(route string, serve http.HandlerFunc) http.HandlerFunc {
	m.requests.WithLabelValues(route, strconv.Itoa(http.StatusOK))
	m.seconds.WithLabelValues(route)
	return func(w http.ResponseWriter, r *http.Request) {
		began, status := time.Now(), &statusWriter{ResponseWriter: w}
		serve(status, r)
		m.requests.WithLabelValues(route, strconv.Itoa(max(status.status, http.StatusOK))).Inc()
		m.seconds.WithLabelValues(route).Observe(time.Since(began).Seconds())
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what w wraps.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serveMetrics answers GET /metrics.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(s.meters.registry, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(w, r)
}
