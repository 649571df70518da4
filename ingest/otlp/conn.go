package otlp

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// listener counts the connections of a port and keeps them within Config.MaxConnections.
type listener struct {
	net.Listener
	server *Server
}

// Accept closes the connections beyond the limit at once, so that their senders try again instead of waiting in the
// kernel's queue for an answer.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s := l.server
		s.seen.connections.Add(1)
		if s.open.Add(1) > int64(s.config.MaxConnections) {
			s.open.Add(-1)
			s.seen.record(Refusal{
				Transport: "tcp", Signal: "unknown", Peer: c.RemoteAddr().String(), Reason: "connections",
				Message: "too many connections: raise the limit, or put an OpenTelemetry Collector in front of many senders",
			})
			_ = c.Close() // nothing was written: there is nothing to lose
			continue
		}
		return &conn{Conn: c, server: s, opened: time.Now()}, nil
	}
}

// conn is an accepted connection.
type conn struct {
	net.Conn
	server *Server
	opened time.Time
	read   bool
	once   sync.Once
}

// Read looks at the first byte. A TLS handshake on a plain port is the commonest mistake of all, since most gRPC
// exporters use TLS unless told otherwise, and the sender's message for it is rarely understood.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.read && n > 0 {
		c.read = true
		if b[0] == tlsHandshake && c.server.config.TLS == nil {
			c.server.seen.record(Refusal{
				Transport: "tcp", Signal: "unknown", Peer: c.RemoteAddr().String(), Reason: "tls",
				Message: "the sender uses TLS and this port does not: use http:// in its endpoint, or set its exporter to insecure",
			})
		}
	}
	return n, err
}

// tlsHandshake is the first byte of every TLS connection.
const tlsHandshake = 0x16

func (c *conn) Close() error {
	c.once.Do(func() { c.server.open.Add(-1) })
	return c.Conn.Close()
}

type openedKey struct{}

// withOpened keeps in the context of a connection's requests when it was opened.
func withOpened(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, openedKey{}, c.opened)
	}
	return ctx
}

// opened returns when the connection was opened, and now for requests that did not come over one of ours.
func opened(ctx context.Context) time.Time {
	if t, ok := ctx.Value(openedKey{}).(time.Time); ok {
		return t
	}
	return time.Now()
}
