package livehandle

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var greetingTime = 10 * time.Second // A test takes less.

// delays are waited before one attempt to connect after another, the last one ever again.
var delays = []time.Duration{
	0, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
	400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second,
}

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
	lastID  atomic.Int64
	hurry   chan struct{} // Calls that wait send to it, for a reader that waits for room.

	mu            sync.Mutex    // Guards what follows, and what changes of the types below.
	link          *link         // nil while there is none of use.
	failure       error         // Why there is none, once an attempt has failed.
	changed       chan struct{} // Closed when either of them has changed.
	subscriptions []*Subscription
	registrations []*Registration
	running       map[string]context.CancelFunc // Calls of tools, by their id.
}

// Dial connects to the daemon. The error is daemon.unreachable where none answers.
func Dial(ctx context.Context, options Options) (*Client, error) {
	path, err := socketPath(options.Socket, options.Instance)
	if err != nil {
		return nil, err
	}
	c := &Client{
		options: options, path: path, hurry: make(chan struct{}), changed: make(chan struct{}),
		running: map[string]context.CancelFunc{},
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
// not wait for the tools themselves. Its error is nil.
func (c *Client) Close() error {
	c.cancel()
	c.use(nil, nil)
	c.tasks.Wait()
	return nil
}

// Call calls a method by its name, for those of a newer daemon. result may be nil.
//
// What the daemon refuses is of type *Error; beside its own errors, each method has those named
// wire.* and daemon.*. A call whose connection is lost fails with daemon.unreachable and is not made
// again, for it may have been carried out. One that begins while there is no connection waits for
// the first attempt to make it again.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	l, err := c.current(ctx)
	if err != nil {
		return err
	}
	return l.call(ctx, method, params, result, nil)
}

// Begin makes a call and does not wait for its answer, which the function that it returns does. The
// daemon begins calls in the order in which they were made.
func (c *Client) Begin(ctx context.Context, method string, params any) (wait func(result any) error, err error) {
	l, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	return l.begin(ctx, method, params, nil)
}

// current returns the link of use, once there is one, or an attempt to make one has failed.
func (c *Client) current(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		l, failure, changed := c.link, c.failure, c.changed
		c.mu.Unlock()
		if l != nil || failure != nil {
			return l, failure
		}
		select {
		case <-changed:
		case c.hurry <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// use makes a link the one that calls take, or tells them why there is none.
func (c *Client) use(l *link, failure error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil:
		l, failure = nil, closed()
	case l != nil && l.err != nil:
		return // It is lost already.
	}
	c.link, c.failure = l, failure
	close(c.changed)
	c.changed = make(chan struct{})
}

// stayConnected makes the connection again, until Close.
func (c *Client) stayConnected(l *link) {
	next := 0 // Of the delays.
	for {
		since := time.Now()
		<-l.lost
		if c.ctx.Err() != nil {
			return
		}
		c.tell(l, clientEvent(TopicClientDisconnected, ClientDisconnected{*l.err}))
		if time.Since(since) > delays[len(delays)-1] {
			next = 0 // Else who accepts and goes at once would be called again without a pause.
		}
		l = nil
		for attempt := 1; l == nil; attempt++ {
			select {
			case <-time.After(delays[next]):
			case <-c.ctx.Done():
				return
			}
			if next+1 < len(delays) {
				next++
			}
			var err error
			if l, err = c.connect(c.ctx, attempt); err != nil {
				c.use(nil, err)
			}
		}
	}
}

// connect makes a link on which everything is as it was on the last one.
func (c *Client) connect(ctx context.Context, attempt int) (*link, error) {
	timed, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(timed, "unix", c.path)
	for errors.Is(err, syscall.EAGAIN) && timed.Err() == nil { // More callers than it has accepted yet.
		time.Sleep(20 * time.Millisecond)
		conn, err = dialer.DialContext(timed, "unix", c.path)
	}
	if err != nil {
		return nil, noDaemon(err)
	}
	l := &link{
		client: c, conn: conn, attempt: attempt,
		out: make(chan []byte), lost: make(chan struct{}), pending: map[int64]func(message){},
	}
	c.spawn(l.read)
	c.spawn(l.write)
	c.spawn(l.closeInTime)
	if err = l.greet(timed); err == nil {
		return l, nil
	}
	conn.Close()
	<-l.lost
	if timed.Err() != nil && ctx.Err() == nil {
		err = silent(c.path)
	}
	return nil, err
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
