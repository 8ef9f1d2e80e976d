// A peer: the gauges of an exposition in Go's client library, served by promhttp as it comes.
//
// `go-peer FILE` prints the address it listens on. GET /changes/N sets N gauges a second from then on.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Every so many series, one is among those that change.
const stride = 97

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go-peer FILE")
	}
	registry := prometheus.NewRegistry()
	changing, err := fill(registry, os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	// What reading the file left behind is not the library's.
	debug.FreeOSMemory()

	var rate int64
	go change(changing, &rate)
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	http.HandleFunc("/changes/", func(w http.ResponseWriter, r *http.Request) {
		wanted, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/changes/"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		atomic.StoreInt64(&rate, wanted)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// fill registers every gauge family of the file with its series; other families are left out.
func fill(registry *prometheus.Registry, file string) (changing []prometheus.Gauge, err error) {
	text, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	var name, help string
	var vec *prometheus.GaugeVec
	gauge, count := false, 0
	lines := bufio.NewScanner(text)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "# HELP "):
			_, help, _ = strings.Cut(line[len("# HELP "):], " ")
		case strings.HasPrefix(line, "# TYPE "):
			var kind string
			name, kind, _ = strings.Cut(line[len("# TYPE "):], " ")
			gauge, vec = kind == "gauge", nil
		case gauge && line != "":
			names, values, value, err := sample(line)
			if err != nil {
				return nil, err
			}
			if vec == nil {
				vec = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, names)
				if err := registry.Register(vec); err != nil {
					return nil, err
				}
			}
			series, err := vec.GetMetricWithLabelValues(values...)
			if err != nil {
				return nil, err
			}
			series.Set(value)
			if count++; count%stride == 0 {
				changing = append(changing, series)
			}
		}
	}
	return changing, lines.Err()
}

// sample reads a line of the text format.
func sample(line string) (names, values []string, value float64, err error) {
	space := strings.LastIndexByte(line, ' ')
	if space < 0 {
		return nil, nil, 0, fmt.Errorf("not a sample: %s", line)
	}
	if value, err = strconv.ParseFloat(line[space+1:], 64); err != nil {
		return nil, nil, 0, err
	}
	_, rest, labelled := strings.Cut(line[:space], "{")
	if !labelled {
		return nil, nil, value, nil
	}
	for rest != "" && rest[0] != '}' {
		name, after, found := strings.Cut(strings.TrimPrefix(rest, ","), "=\"")
		if !found {
			return nil, nil, 0, fmt.Errorf("not a sample: %s", line)
		}
		end := 0
		var text strings.Builder
		for ; end < len(after) && after[end] != '"'; end++ {
			if after[end] == '\\' && end+1 < len(after) {
				end++
				if after[end] == 'n' {
					text.WriteByte('\n')
					continue
				}
			}
			text.WriteByte(after[end])
		}
		if end == len(after) {
			return nil, nil, 0, fmt.Errorf("not a sample: %s", line)
		}
		names = append(names, strings.Clone(name))
		values = append(values, text.String())
		rest = after[end+1:]
	}
	return names, values, value, nil
}

// change sets the wanted number of gauges a second, one after the other, for ever.
func change(gauges []prometheus.Gauge, wanted *int64) {
	next := 0
	for turn := 0; ; turn++ {
		time.Sleep(100 * time.Millisecond)
		for n := (atomic.LoadInt64(wanted) + 9) / 10; n > 0 && len(gauges) > 0; n-- {
			gauges[next%len(gauges)].Set(float64(turn))
			next++
		}
	}
}
