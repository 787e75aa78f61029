package livehandle

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"
)

const (
	queueLength = 1024 // Events.
	patience    = time.Second
)

// Subscription is a stream of events that goes on when the connection is made again.
type Subscription struct {
	// Snapshot is how things stood where the events begin, if it was asked for.
	Snapshot *Snapshot

	client  *Client
	method  string
	ctx     context.Context // Until its end.
	cancel  context.CancelFunc
	err     error // Why it has ended.
	queue   chan Event
	room    time.Time       // When there was last room in it.
	params  SubscribeParams // Since is where to go on.
	link    *link           // The one that has it, by its name there.
	name    string
	lastSeq int64
	missed  int64 // Events that had no room; while there are any, none is taken.
}

func (c *Client) listen(ctx context.Context, method string, params SubscribeParams) (*Subscription, error) {
	s := &Subscription{client: c, method: method, params: params, err: io.EOF, queue: make(chan Event, queueLength)}
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	l, err := c.current(ctx)
	if err == nil {
		err = s.ask(ctx, l)
	}
	if err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// Next returns the next event, in the order of the conversation.
//
// A lost connection is told by client.disconnected and client.connected; the events then go on
// where they ended, or after client.reset. Who reads too slowly lets the socket fill: after
// events.lagged the events go on without loss, after events.dropped audio is missing. A reader that
// waits for room does not hold up calls for long: events.lagged is then the client's own.
// The error, after what has come already, is io.EOF after Close, or says why the daemon no longer
// gives the events.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	select {
	case event := <-s.queue:
		return event, nil
	default:
	}
	if missed := s.catchUp(); missed != nil {
		return *missed, nil
	}
	select {
	case event := <-s.queue:
		return event, nil
	case <-s.ctx.Done():
		s.client.mu.Lock()
		defer s.client.mu.Unlock()
		return Event{}, s.err
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Close ends the subscription. Its error is nil.
func (s *Subscription) Close() error {
	s.end(io.EOF)
	return nil
}

func (s *Subscription) end(err error) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.ctx.Err() == nil {
		s.err = err
		s.leave(false)
		s.cancel()
	}
}

// leave has the daemon end it under the name that it has now, and perhaps begin it anew. The
// caller holds the lock, and the client is not closed.
func (s *Subscription) leave(anew bool) {
	c, l, name := s.client, s.link, s.name
	s.name = ""
	c.spawn(func() { // What fails here does so because the link is lost; the next one begins it anew.
		if name != "" {
			_ = l.call(c.ctx, "unsubscribe", map[string]any{"subscription": name}, nil, nil)
		}
		if anew {
			_ = s.goOn(c.ctx, l)
		}
	})
}

// ask subscribes, for the events that follow those which there were.
func (s *Subscription) ask(ctx context.Context, l *link) error {
	s.client.mu.Lock()
	params := s.params
	s.client.mu.Unlock()
	return l.call(ctx, s.method, params, nil, func(result json.RawMessage) { s.begin(l, result) })
}

// goOn subscribes again, and ends the subscription where it is refused. The error is that of the link.
func (s *Subscription) goOn(ctx context.Context, l *link) error {
	err := s.ask(ctx, l)
	if l.refused(ctx, err) {
		s.end(err)
		return nil
	}
	return err
}

func (s *Subscription) begin(l *link, result json.RawMessage) {
	var answer struct {
		Subscription, Cursor string
		Reset                bool
		Snapshot             json.RawMessage
	}
	c := s.client
	if err := json.Unmarshal(result, &answer); err != nil {
		c.logf("The answer to %s is not as expected: %v", s.method, err)
		return
	}
	c.mu.Lock()
	first, again := s.link == nil, s.link != nil && s.link != l
	s.link, s.name = l, answer.Subscription
	if first {
		c.subscriptions = append(c.subscriptions, s)
	}
	if s.params.Since == "" {
		s.params.Since = answer.Cursor
	}
	if s.ctx.Err() != nil {
		s.leave(false) // It was given up before the answer came.
	}
	c.mu.Unlock()
	if again {
		s.deliver(l, clientEvent(TopicClientConnected, ClientConnected{l.attempt}))
	}
	if answer.Reset {
		s.deliver(l, Event{
			Subscription: answer.Subscription, Cursor: answer.Cursor, Topic: TopicClientReset, Data: answer.Snapshot,
		})
	} else if first && answer.Snapshot != nil {
		if err := json.Unmarshal(answer.Snapshot, &s.Snapshot); err != nil {
			c.logf("The snapshot is not as expected: %v", err)
		}
	}
}

// tell gives an event to the subscription that it is of, or to all where it is of none.
func (c *Client) tell(l *link, event Event) {
	for _, s := range c.listening() {
		s.deliver(l, event)
	}
}

// deliver gives an event to the consumer, unless it is another subscription's.
func (s *Subscription) deliver(l *link, event Event) {
	c := s.client
	c.mu.Lock()
	other := event.Subscription != "" && (s.link != l || s.name != event.Subscription)
	if s.missed > 0 && !other {
		s.missed++
	}
	passed := other || s.missed > 0
	c.mu.Unlock()
	if passed {
		return
	}
	taken := s.put(event)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !taken:
		s.missed = 1
	case event.Topic == TopicEventsLagged:
		s.name = "" // It has ended at the daemon.
		s.leave(true)
	case event.Subscription != "" && !strings.HasPrefix(event.Topic, "events."):
		s.params.Since, s.lastSeq = event.Cursor, event.Seq
	}
}

// put waits for room. The result is false if a call waits, perhaps the consumer's own, and there
// has been no room for long.
func (s *Subscription) put(event Event) bool {
	if len(s.queue) < queueLength {
		s.room = time.Now()
	}
	patient := time.NewTimer(time.Until(s.room.Add(patience)))
	defer patient.Stop()
	var hurry chan struct{}
	for {
		select {
		case s.queue <- event:
			return true
		case <-patient.C:
			hurry = s.client.hurry
		case <-hurry:
			return false
		case <-s.ctx.Done():
			return true
		}
	}
}

// catchUp asks again for events that had no room, now that there is some, and tells of it.
func (s *Subscription) catchUp() *Event {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.missed == 0 || s.ctx.Err() != nil {
		return nil
	}
	event := clientEvent(TopicEventsLagged, Lagged{LastSeq: s.lastSeq, Missed: s.missed})
	s.missed = 0
	s.leave(true)
	return &event
}

// listening returns the subscriptions that go on.
func (c *Client) listening() []*Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	var going []*Subscription
	for _, s := range c.subscriptions {
		if s.ctx.Err() == nil {
			going = append(going, s)
		}
	}
	c.subscriptions = going
	return going
}

func clientEvent(topic string, data any) Event {
	text, _ := json.Marshal(data) // Of types that are made here, which JSON has.
	return Event{Topic: topic, Data: text}
}
