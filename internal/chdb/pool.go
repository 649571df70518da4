package chdb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"loadline/internal/chdb/libchdb"
)

// pool lends connections of the engine. They are opened when first needed and kept.
type pool struct {
	engine *Engine
	idle   chan *lease
	closed chan struct{}
}

// lease is a connection with the session state that it has been given.
type lease struct {
	conn     *libchdb.Conn
	tag      string // fixed log_comment of the connection: the handle by which its running query can be killed
	database string
	settings map[string]string
}

var errClosed = libchdb.NewError("Code: 210. DB::Exception: the engine is shutting down (NETWORK_ERROR)")

func newPool(e *Engine, size int) *pool {
	p := &pool{engine: e, idle: make(chan *lease, size), closed: make(chan struct{})}
	for range size {
		p.idle <- &lease{}
	}
	return p
}

// acquire waits for a free connection and brings it to the wanted database and settings.
func (p *pool) acquire(ctx context.Context, database string, settings map[string]string) (*lease, error) {
	select {
	case l := <-p.idle:
		if err := p.engine.prepare(l, database, settings); err != nil {
			p.idle <- l
			return nil, err
		}
		return l, nil
	case <-p.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pool) release(l *lease) { p.idle <- l }

// close takes every connection back, when its query has ended, and closes it.
func (p *pool) close() {
	close(p.closed)
	for range cap(p.idle) {
		if l := <-p.idle; l.conn != nil {
			l.conn.Close()
		}
	}
}

var tags atomic.Int64

// prepare connects the lease if need be and changes its session to what the request wants. Each SET costs about as much
// as a trivial query (0.6 ms), so nothing is sent when nothing differs.
func (e *Engine) prepare(l *lease, database string, settings map[string]string) error {
	if l.conn != nil && e.cfg.ReadOnly && !maps.Equal(l.settings, settings) {
		l.conn.Close() // a read-only session cannot be changed, and a new one costs 0.3 ms
		l.conn = nil
	}
	if l.conn == nil {
		if err := e.connect(l, settings); err != nil {
			return err
		}
	}
	if l.database != database {
		if err := l.conn.Exec("USE " + quoteName(database)); err != nil {
			return err
		}
		l.database = database
	}
	return e.set(l, settings)
}

// connect opens the connection of a lease. A read-only session gets its settings before it is sealed.
func (e *Engine) connect(l *lease, settings map[string]string) error {
	c, err := e.lib.Connect(e.args...)
	if err != nil {
		return libchdb.NewError("Code: 210. DB::Exception: connection to the engine: " + err.Error() + " (NETWORK_ERROR)")
	}
	*l = lease{conn: c, tag: fmt.Sprintf("connection %d", tags.Add(1)), database: "default", settings: map[string]string{}}
	err = c.Exec("SET " + strings.Join(append(e.sessionSettings(), "log_comment = "+quoteString(l.tag)), ", "))
	if err == nil && e.cfg.ReadOnly {
		if err = e.set(l, settings); err == nil {
			err = c.Exec("SET readonly = 1")
		}
	}
	if err != nil {
		c.Close()
		l.conn = nil
	}
	return err
}

// set sends the difference between the session's settings and the wanted ones.
func (e *Engine) set(l *lease, want map[string]string) error {
	if maps.Equal(l.settings, want) {
		return nil
	}
	var changes []string
	for name := range l.settings {
		if _, ok := want[name]; !ok {
			changes = append(changes, name+" = DEFAULT")
		}
	}
	for name, value := range want {
		if old, ok := l.settings[name]; !ok || old != value {
			changes = append(changes, name+" = "+quoteString(value))
		}
	}
	slices.Sort(changes)
	if err := l.conn.Exec("SET " + strings.Join(changes, ", ")); err != nil {
		l.conn.Close() // how much of it was applied is unknown
		l.conn = nil
		return err
	}
	l.settings = maps.Clone(want)
	return nil
}
