package livehandle

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// link is one connection.
type link struct {
	conn    net.Conn
	attempt int // Which one since the last was lost; 0 of the first link.
	out     chan []byte
	lost    chan struct{} // Closed at its end; err is set before.
	err     *Error
	lastID  int64
	pending map[int64]*pending
	streams map[string]*Subscription
}

// pending is a call that waits. The reader calls taken before it reads on.
type pending struct {
	id     int64
	taken  func(result json.RawMessage)
	answer chan message
}

type message struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
}

func (c *Client) callOn(
	ctx context.Context, l *link, method string, params any, taken func(json.RawMessage),
) (json.RawMessage, error) {
	call, err := c.send(ctx, l, method, params, taken)
	if err != nil {
		return nil, err
	}
	return c.await(ctx, l, call)
}

func (c *Client) send(
	ctx context.Context, l *link, method string, params any, taken func(json.RawMessage),
) (*pending, error) {
	if params == nil {
		params = struct{}{}
	}
	c.mu.Lock()
	l.lastID++
	call := &pending{l.lastID, taken, make(chan message, 1)}
	l.pending[call.id] = call
	c.mu.Unlock()
	request := map[string]any{"jsonrpc": "2.0", "id": call.id, "method": method, "params": params}
	line, err := json.Marshal(request)
	if err == nil {
		select {
		case l.out <- append(line, '\n'):
			return call, nil
		case <-l.lost:
			err = l.err
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	c.forget(l, call)
	return nil, err
}

func (c *Client) await(ctx context.Context, l *link, call *pending) (json.RawMessage, error) {
	defer c.forget(l, call)
	var answer message
	select {
	case answer = <-call.answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.lost:
		select {
		case answer = <-call.answer: // It came before the end.
		default:
			return nil, l.err
		}
	}
	if answer.Error != nil {
		return nil, answer.Error
	}
	return answer.Result, nil
}

func (c *Client) forget(l *link, call *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(l.pending, call.id)
}

func (l *link) isLost() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

func (l *link) write() {
	for {
		select {
		case line := <-l.out:
			if _, err := l.conn.Write(line); err != nil {
				// The daemon may have said why before it closed: the reader has a moment to see it.
				l.conn.SetReadDeadline(time.Now().Add(time.Second))
				return
			}
		case <-l.lost:
			return
		}
	}
}

func (c *Client) read(l *link) {
	end := unreachable("The daemon at %s closed the connection: see its log.", c.path)
	lines := bufio.NewScanner(l.conn)
	lines.Buffer(nil, maxLine+1)
	lines.Split(wholeLine)
	for goOn := true; goOn && lines.Scan(); {
		var m message
		var syntax *json.SyntaxError
		if errors.As(json.Unmarshal(lines.Bytes(), &m), &syntax) {
			end = unreachable("What answers at %s is not livehandled: give its own socket.", c.path)
			break
		}
		var id int64
		switch {
		case m.Method == "event":
			goOn = c.take(l, m.Params)
		case len(m.ID) > 0 && json.Unmarshal(m.ID, &id) == nil && id > 0:
			c.answer(l, id, m)
		case m.Error != nil:
			end = m.Error // It concerns the connection as a whole, which it ends as a rule.
		}
	}
	l.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		end = unreachable("This client is closed.")
	}
	l.err = end
	if c.link == l {
		c.link = nil
	}
	close(l.lost)
}

// wholeLine leaves out a line that the end of the connection has cut.
func wholeLine(data []byte, _ bool) (int, []byte, error) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		return 0, nil, nil
	}
	return end + 1, data[:end], nil
}

func (c *Client) answer(l *link, id int64, m message) {
	c.mu.Lock()
	call := l.pending[id]
	delete(l.pending, id)
	c.mu.Unlock()
	if call == nil {
		return // Nobody waits for it any more.
	}
	if call.taken != nil && m.Error == nil {
		call.taken(m.Result)
	}
	call.answer <- m
}

// take deals with an event. The result is false for the last one of a connection.
func (c *Client) take(l *link, params json.RawMessage) bool {
	var event Event
	if err := json.Unmarshal(params, &event); err != nil {
		c.logf("An event is not as expected: %v", err)
		return true
	}
	lagged := event.Topic == TopicEventsLagged
	c.mu.Lock()
	s := l.streams[event.Subscription]
	if lagged {
		delete(l.streams, event.Subscription)
	}
	c.mu.Unlock()
	switch {
	case event.Topic == TopicToolCall && c.called(event):
	case event.Topic == TopicToolCancel && c.cancelled(event):
	case s != nil:
		s.deliver(event)
		if lagged {
			c.spawn(func() { _ = c.subscribe(c.ctx, l, s) }) // If the link is lost, the next one has it.
		}
	case event.Subscription == "":
		c.tell(event)
	}
	return event.Topic != TopicDaemonBye
}

func newError(name ErrorName, format string, args ...any) *Error {
	return &Error{Name: name, Code: name.Code(), Message: fmt.Sprintf(format, args...), Retryable: name.Retryable()}
}

func unreachable(format string, args ...any) *Error {
	return newError(ErrDaemonUnreachable, format, args...)
}
