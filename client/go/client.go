package livehandle

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	maxLine      = 16 << 20 // Bytes.
	greetingTime = 10 * time.Second
	firstDelay   = 50 * time.Millisecond
	longestDelay = 2 * time.Second
)

// Options say which daemon to call; the zero value is the one that livehandled starts by default.
type Options struct {
	Socket   string                           // Its path, else $LIVEHANDLE_SOCKET, else that of Instance.
	Instance string                           // Else $LIVEHANDLE_INSTANCE, else "default".
	Name     string                           // What the client calls itself, else "go".
	Logf     func(format string, args ...any) // Takes what concerns no call, as late answers of tools.
}

// Client is a connection to the daemon that is made again whenever it is lost. All of its methods
// may be called from several goroutines at once.
type Client struct {
	options Options
	path    string
	ctx     context.Context // Until Close.
	cancel  context.CancelFunc
	tasks   sync.WaitGroup

	mu            sync.Mutex    // Guards what follows, and what changes of the types below.
	conn          net.Conn      // Of the newest link, be it of use or not.
	link          *link         // The one of use; nil while there is none.
	failure       error         // Why there is none, once an attempt has failed.
	changed       chan struct{} // Closed when either of them has changed.
	waiting       int           // Calls that wait for a link.
	subscriptions []*Subscription
	registrations []*Registration
	tools         map[string]Tool
	running       map[string]*toolRun
}

// Dial connects to the daemon. The error is daemon.unreachable where none answers.
func Dial(ctx context.Context, options Options) (*Client, error) {
	path, err := socketPath(options.Socket, options.Instance)
	if err != nil {
		return nil, err
	}
	c := &Client{
		options: options, path: path, changed: make(chan struct{}),
		tools: map[string]Tool{}, running: map[string]*toolRun{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	first, err := c.connect(ctx, 0)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.spawn(func() { c.stayConnected(first) })
	return c, nil
}

// Close ends the connection: calls fail, subscriptions end, contexts of tools are cancelled. It does
// not wait for the tools themselves.
func (c *Client) Close() error {
	c.mu.Lock()
	c.cancel()
	c.set(nil, unreachable("This client is closed."))
	if c.conn != nil {
		c.conn.Close()
	}
	c.mu.Unlock()
	c.tasks.Wait()
	for _, s := range c.listening() {
		s.end(io.EOF)
	}
	return nil
}

// Call calls a method by its name, for those of a newer daemon. result may be nil.
//
// What the daemon refuses is of type *Error; beside its own errors, each method has those named
// wire.* and daemon.*. A call whose connection is lost fails with daemon.unreachable and is not made
// again, for it may have been carried out. One that begins while there is no connection waits for
// the first attempt to make it again.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	wait, err := c.Begin(ctx, method, params)
	if err != nil {
		return err
	}
	return wait(result)
}

// Begin makes a call and does not wait for its answer, which the function that it returns does. The
// daemon begins calls in the order in which they were made.
func (c *Client) Begin(ctx context.Context, method string, params any) (wait func(result any) error, err error) {
	l, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	call, err := c.send(ctx, l, method, params, nil)
	return func(result any) error {
		answer, err := c.await(ctx, l, call)
		if err == nil && result != nil {
			err = json.Unmarshal(answer, result)
		}
		return err
	}, err
}

func (c *Client) current(ctx context.Context) (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting++
	defer func() { c.waiting-- }()
	for c.link == nil && c.failure == nil && ctx.Err() == nil {
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		c.mu.Lock()
	}
	if c.link == nil && c.failure == nil {
		return nil, ctx.Err()
	}
	return c.link, c.failure
}

// stayConnected makes the connection again, until Close.
func (c *Client) stayConnected(l *link) {
	delay := time.Duration(0)
	for {
		since := time.Now()
		<-l.lost
		if c.ctx.Err() != nil {
			return
		}
		c.tell(clientEvent(TopicClientDisconnected, ClientDisconnected{*l.err}))
		if time.Since(since) > longestDelay {
			delay = 0 // Else who accepts and goes at once would be called again without a pause.
		}
		l = nil
		for attempt := 1; l == nil; attempt++ {
			select {
			case <-time.After(delay):
			case <-c.ctx.Done():
				return
			}
			if delay *= 2; delay == 0 {
				delay = firstDelay
			} else if delay > longestDelay {
				delay = longestDelay
			}
			var err error
			if l, err = c.connect(c.ctx, attempt); err != nil {
				c.use(nil, err)
			}
		}
	}
}

// use makes a link the one that calls take, or tells them why there is none.
func (c *Client) use(l *link, failure error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() == nil && (l == nil || !l.isLost()) {
		c.set(l, failure)
	}
}

func (c *Client) set(l *link, failure error) {
	c.link, c.failure = l, failure
	close(c.changed)
	c.changed = make(chan struct{})
}

// connect makes a link on which everything is as it was on the last one.
func (c *Client) connect(ctx context.Context, attempt int) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.path)
	for errors.Is(err, syscall.EAGAIN) && ctx.Err() == nil { // More callers than it has accepted yet.
		time.Sleep(20 * time.Millisecond)
		conn, err = dialer.DialContext(ctx, "unix", c.path)
	}
	if err != nil {
		return nil, unreachable("No daemon answers (%v): start one with livehandled.", err)
	}
	l := &link{
		conn: conn, attempt: attempt, out: make(chan []byte), lost: make(chan struct{}),
		pending: map[int64]*pending{}, streams: map[string]*Subscription{},
	}
	c.mu.Lock()
	c.conn = conn
	if c.ctx.Err() != nil {
		conn.Close()
	}
	c.mu.Unlock()
	c.spawn(func() { c.read(l) })
	c.spawn(l.write)
	if err := c.greet(ctx, l); err != nil {
		conn.Close()
		<-l.lost
		return nil, err
	}
	return l, nil
}

// greet says who calls, and asks for what the last link had.
func (c *Client) greet(ctx context.Context, l *link) error {
	hello := DaemonHelloParams{Client: firstOf(c.options.Name, "go"), MaxLineBytes: Ptr[int64](maxLine)}
	if _, err := c.callOn(ctx, l, "daemon.hello", hello, nil); err != nil {
		return err
	}
	if err := c.presentTools(ctx, l); err != nil {
		return err
	}
	c.use(l, nil) // Before it is told that the connection is there again.
	for _, s := range c.listening() {
		if err := c.subscribe(ctx, l, s); err != nil {
			return err
		}
	}
	return nil
}

// spawn runs a task that Close waits for.
func (c *Client) spawn(task func()) {
	c.tasks.Add(1)
	go func() {
		defer c.tasks.Done()
		task()
	}()
}

func (c *Client) logf(format string, args ...any) {
	if c.options.Logf != nil {
		c.options.Logf(format, args...)
	}
}
