package livehandle

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const deadline = 20 * time.Second

// server is a daemon whose part the test plays, line by line.
type server struct {
	t        *testing.T
	path     string
	listener net.Listener
}

func newServer(t *testing.T) *server {
	t.Helper()
	before := runtime.NumGoroutine()
	directory, err := os.MkdirTemp("", "lh")
	must(t, err)
	s := &server{t: t, path: filepath.Join(directory, "s")}
	s.listen()
	t.Cleanup(func() {
		s.listener.Close()
		os.RemoveAll(directory)
		noMoreThan(t, before)
	})
	return s
}

func (s *server) listen() {
	listener, err := net.Listen("unix", s.path)
	must(s.t, err)
	s.listener = listener
}

// noMoreThan fails if goroutines that a test began go on after it.
func noMoreThan(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(deadline); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines go on:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// client connects, and returns the connection's other end, where hello was said.
func (s *server) client(options Options) (*Client, *peer) {
	s.t.Helper()
	options.Socket = s.path
	dialed := make(chan *Client, 1)
	go func() {
		c, err := Dial(within(s.t), options)
		if err != nil {
			s.t.Error(err)
		}
		dialed <- c
	}()
	p := s.hello()
	c := <-dialed
	if c == nil {
		s.t.FailNow()
	}
	s.t.Cleanup(func() { c.Close() })
	return c, p
}

// hello takes the next connection and its daemon.hello.
func (s *server) hello() *peer {
	s.t.Helper()
	p := s.accept()
	hello := p.expect("daemon.hello")
	if hello.Params["max_line_bytes"] != float64(maxLine) {
		s.t.Fatalf("hello with %v", hello.Params)
	}
	p.reply(hello, map[string]any{"name": "livehandled", "novel": 1})
	return p
}

func (s *server) accept() *peer {
	s.t.Helper()
	conn, err := s.listener.Accept()
	must(s.t, err)
	must(s.t, conn.SetDeadline(time.Now().Add(deadline)))
	s.t.Cleanup(func() { conn.Close() })
	return &peer{s.t, conn.(*net.UnixConn), bufio.NewReader(conn)}
}

// peer is the daemon's end of a connection.
type peer struct {
	t    *testing.T
	conn *net.UnixConn
	in   *bufio.Reader
}

type request struct {
	ID     int64
	Method string
	Params map[string]any
}

func (p *peer) expect(method string) request {
	p.t.Helper()
	var got request
	line, err := p.in.ReadBytes('\n')
	must(p.t, err)
	must(p.t, json.Unmarshal(line, &got))
	if got.Method != method {
		p.t.Fatalf("%s was called, not %s", line, method)
	}
	return got
}

// expectEnd waits until the client has closed the connection.
func (p *peer) expectEnd() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.in); err != nil || len(rest) > 0 {
		p.t.Fatalf("%q, %v", rest, err)
	}
}

func (p *peer) write(text string) {
	p.t.Helper()
	_, err := p.conn.Write([]byte(text))
	must(p.t, err)
}

func (p *peer) reply(to request, result any) {
	p.t.Helper()
	p.write(resultLine(to, result))
}

func resultLine(to request, result any) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`+"\n", to.ID, text(result))
}

func (p *peer) refuse(to request, name ErrorName) {
	p.t.Helper()
	p.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":%s}`+"\n", to.ID, text(newError(name, "No: %s.", name))))
}

// subscribed answers events with the subscription e1 that begins at k:0.
func (p *peer) subscribed(to request) {
	p.t.Helper()
	p.reply(to, map[string]any{"subscription": "e1", "cursor": "k:0"})
}

func eventLine(topic string, seq int, data any) string {
	return fmt.Sprintf(
		`{"jsonrpc":"2.0","method":"event","params":{"subscription":"e1","seq":%d,"cursor":"k:%d",`+
			`"ts_ms":1,"topic":"%s","data":%s,"novel":[1]}}`+"\n", seq, seq, topic, text(data))
}

func delta(seq int) string { return eventLine(TopicLiveTextDelta, seq, Text{fmt.Sprint("t", seq)}) }

func ownLine(topic string, data any) string {
	return strings.Replace(eventLine(topic, 1, data), `"subscription":"e1",`, "", 1)
}

// listen subscribes, and has the peer answer.
func listen(t *testing.T, c *Client, p *peer) *Subscription {
	t.Helper()
	return during(t, func(ctx context.Context) (*Subscription, error) {
		return c.Events(ctx, EventsParams{Topics: []string{"live.*"}})
	}, func() { p.subscribed(p.expect("events")) })
}

type outcome[T any] struct {
	value T
	err   error
}

// during runs a call, and meanwhile the daemon's part.
func during[T any](t *testing.T, call func(context.Context) (T, error), part func()) T {
	t.Helper()
	done := make(chan outcome[T], 1)
	go func() {
		value, err := call(within(t))
		done <- outcome[T]{value, err}
	}()
	part()
	got := <-done
	must(t, got.err)
	return got.value
}

// next asserts that the next event is of a topic.
func next(t *testing.T, s *Subscription, topic string) any {
	t.Helper()
	event, err := s.Next(within(t))
	must(t, err)
	if event.Topic != topic {
		t.Fatalf("%s %s came, not %s", event.Topic, event.Data, topic)
	}
	return event.Decode()
}

func expectText(t *testing.T, s *Subscription, want string) {
	t.Helper()
	if got := next(t, s, TopicLiveTextDelta).(*LiveTextDelta).Text; got != want {
		t.Fatalf("%.100q came, not %.100q", got, want)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
