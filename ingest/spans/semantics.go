package spans

import (
	"bytes"

	"loadline/ingest/wire"
)

// meaning is what an attribute tells, whatever version of the semantic conventions spells it.
type meaning uint8

const (
	unknown meaning = iota
	httpMethod
	httpRoute
	httpStatus
	errorType
	dbSystem
	dbNamespace
	messagingSystem
	messagingDestination
	peerService
	serverAddress
	rpcSystem
	meanings
)

// conventions maps attribute keys to meanings. Where an old and a new spelling are both set, the new one counts.
// Source: OpenTelemetry semantic conventions 1.20 (old) and 1.37 (new).
var conventions = map[string]struct {
	meaning
	old bool
}{
	"http.request.method":        {httpMethod, false},
	"http.method":                {httpMethod, true},
	"http.route":                 {httpRoute, false},
	"http.response.status_code":  {httpStatus, false},
	"http.status_code":           {httpStatus, true},
	"error.type":                 {errorType, false},
	"exception.type":             {errorType, true},
	"db.system.name":             {dbSystem, false},
	"db.system":                  {dbSystem, true},
	"db.namespace":               {dbNamespace, false},
	"db.name":                    {dbNamespace, true},
	"messaging.system":           {messagingSystem, false},
	"messaging.destination.name": {messagingDestination, false},
	"messaging.destination":      {messagingDestination, true},
	"service.peer.name":          {peerService, false},
	"peer.service":               {peerService, true},
	"server.address":             {serverAddress, false},
	"net.peer.name":              {serverAddress, true},
	"rpc.system.name":            {rpcSystem, false},
	"rpc.system":                 {rpcSystem, true},
}

// Span kinds of OTLP.
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3
	kindProducer = 4
	kindConsumer = 5
)

const statusError = 2

// facts are the attributes of a span by meaning; nil where the span does not tell.
type facts [meanings]*wire.Value

func (f *facts) text(m meaning) []byte {
	if v := f[m]; v != nil && v.Type == wire.TypeString {
		return v.Bytes()
	}
	return nil
}

// status is the HTTP status code of a span, or 0.
func (f *facts) status() uint16 {
	if v := f[httpStatus]; v != nil {
		if n, ok := v.Int(); ok && n >= 100 && n <= 599 {
			return uint16(n)
		}
	}
	return 0
}

// operation is what RED counts a span under: method and route of an HTTP server, else the span's name.
func (f *facts) operation(dst []byte, s *span) []byte {
	method, route := f.text(httpMethod), f.text(httpRoute)
	if s.kind != kindServer || len(route) == 0 || len(method) == 0 {
		return append(dst, s.name...)
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	return append(dst, route...)
}

var (
	caches   = [][]byte{[]byte("redis"), []byte("memcached"), []byte("valkey"), []byte("hazelcast")}
	database = []byte("database")
	cache    = []byte("cache")
	queue    = []byte("queue")
)

// peer infers what a client, producer or consumer span talks to. The type stays empty where the other side may be a
// service: whether it is shows only in whether a span of it arrives.
func (f *facts) peer(dst []byte, s *span) (name, typ []byte) {
	if s.kind != kindClient && s.kind != kindProducer && s.kind != kindConsumer {
		return nil, nil
	}
	address := f.text(serverAddress)
	if system := f.text(dbSystem); len(system) > 0 {
		typ = database
		for _, c := range caches {
			if bytes.Equal(system, c) {
				typ = cache
			}
		}
		switch namespace := f.text(dbNamespace); {
		case len(f.text(peerService)) > 0:
			return f.text(peerService), typ
		case typ[0] == 'c' && len(address) > 0: // the namespace of a cache is mostly a number
			return address, typ
		case len(namespace) > 0:
			return append(append(append(dst, system...), ':'), namespace...), typ
		case len(address) > 0:
			return append(append(append(dst, system...), ':'), address...), typ
		}
		return system, typ
	}
	if system := f.text(messagingSystem); len(system) > 0 {
		if destination := f.text(messagingDestination); len(destination) > 0 {
			return append(append(append(dst, system...), ':'), destination...), queue
		}
		return system, queue
	}
	if name := f.text(peerService); len(name) > 0 {
		return name, nil
	}
	return address, nil
}

// failed says whether RED counts the span as an error: its status says so, or it is an HTTP server's 5xx.
func failed(s *span, httpStatus uint16) bool {
	return s.status == statusError || s.kind == kindServer && httpStatus >= 500
}
