package livehandle

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"time"
)

const maxLine = 16 << 20 // Bytes.

// link is one connection.
type link struct {
	client  *Client
	conn    net.Conn
	attempt int // Which one since the last was lost; 0 of the first link.
	out     chan []byte
	lost    chan struct{} // Closed at its end; err is set before.
	err     *Error
	pending map[int64]func(message) // Calls by their id, and what takes the answer.
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
}

// greet says who calls, and asks for what the last link had.
func (l *link) greet(ctx context.Context) error {
	c := l.client
	hello := DaemonHelloParams{Client: firstOf(c.options.Name, "go"), MaxLineBytes: Ptr[int64](maxLine)}
	var daemon struct{ Name string }
	err := l.call(ctx, "daemon.hello", hello, nil, func(result json.RawMessage) {
		_ = json.Unmarshal(result, &daemon)
	})
	if err == nil && daemon.Name == "" {
		err = stranger(c.path)
	}
	if err == nil {
		err = l.presentTools(ctx)
	}
	if err != nil {
		return err
	}
	c.use(l, nil) // Before it is told that the connection is there again.
	for _, s := range c.listening() {
		if err := s.goOn(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) call(ctx context.Context, method string, params, result any, taken func(json.RawMessage)) error {
	wait, err := l.begin(ctx, method, params, taken)
	if err != nil {
		return err
	}
	return wait(result)
}

// begin sends a call. The reader calls taken before it reads on, also when nobody waits any more, but
// not for an error.
func (l *link) begin(
	ctx context.Context, method string, params any, taken func(json.RawMessage),
) (wait func(result any) error, err error) {
	c, answer := l.client, make(chan message, 1)
	if params == nil {
		params = struct{}{}
	}
	id := c.lastID.Add(1)
	line, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	l.expect(id, func(m message) {
		if taken != nil && m.Error == nil {
			taken(m.Result)
		}
		answer <- m
	})
	for sent := false; !sent; {
		select {
		case l.out <- line:
			sent = true
		case <-l.lost:
			sent = true // The answer is the link's error.
		case c.hurry <- struct{}{}:
		case <-ctx.Done():
			l.expected(id)
			return nil, ctx.Err()
		}
	}
	return func(result any) error {
		for {
			select {
			case m := <-answer:
				answer <- m // For who asks again.
				return m.read(result)
			case c.hurry <- struct{}{}:
			case <-ctx.Done():
				if taken == nil {
					l.expected(id)
				}
				return ctx.Err()
			}
		}
	}, nil
}

// expect has a call's answer taken, or the error of the link's end: one of them, once.
func (l *link) expect(id int64, take func(message)) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if l.err != nil {
		take(message{Error: l.err})
		return
	}
	l.pending[id] = take
}

// expected takes a call from those that wait; nil if it does not.
func (l *link) expected(id int64) func(message) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	take := l.pending[id]
	delete(l.pending, id)
	return take
}

func (m message) read(result any) error {
	if m.Error != nil {
		return m.Error
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(m.Result, result)
}

// refused returns whether a call has failed for another reason than the link's end, or the context's.
func (l *link) refused(ctx context.Context, err error) bool {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	return err != nil && l.err == nil && ctx.Err() == nil
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

// closeInTime closes the connection at Client.Close, which neither reading nor writing notices.
func (l *link) closeInTime() {
	select {
	case <-l.client.ctx.Done():
	case <-l.lost:
	}
	l.conn.Close()
}

func (l *link) read() {
	c := l.client
	lines := bufio.NewScanner(l.conn)
	lines.Buffer(nil, maxLine+1)
	lines.Split(wholeLine)
	var end *Error
	for end == nil && lines.Scan() {
		end = l.take(lines.Bytes())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil:
		end = closed()
	case lines.Err() == bufio.ErrTooLong:
		end = stranger(c.path)
	case end == nil:
		end = gone(c.path)
	}
	l.err = end
	for _, take := range l.pending {
		take(message{Error: end})
	}
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

// take deals with a line. It returns why the connection ends with it, if it does.
func (l *link) take(line []byte) *Error {
	var m message
	var id int64
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(line, &m), &syntax) {
		return stranger(l.client.path)
	}
	switch {
	case m.Method == "event":
		return l.takeEvent(m.Params)
	case json.Unmarshal(m.ID, &id) == nil && id > 0:
		if take := l.expected(id); take != nil {
			take(m)
		}
	default:
		return m.Error // It concerns the connection as a whole, which it ends as a rule.
	}
	return nil
}

func (l *link) takeEvent(params json.RawMessage) *Error {
	c := l.client
	var event Event
	if err := json.Unmarshal(params, &event); err != nil {
		c.logf("An event is not as expected: %v", err)
		return nil
	}
	switch {
	case event.Topic == TopicToolCall && c.called(event):
	case event.Topic == TopicToolCancel && c.cancelled(event):
	default:
		c.tell(l, event)
	}
	if event.Topic == TopicDaemonBye {
		return gone(c.path)
	}
	return nil
}
