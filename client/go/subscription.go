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
	queue   chan Event
	ended   chan struct{} // Closed at the end; err is set before.
	err     error
	params  SubscribeParams // Since is where to go on.
	link    *link           // The one that has it, by its name there.
	name    string
	lastSeq int64
	missed  int64 // Events that had no room; while there are any, none is taken.
}

func (c *Client) listen(ctx context.Context, method string, params SubscribeParams) (*Subscription, error) {
	s := &Subscription{
		client: c, method: method, params: params,
		queue: make(chan Event, queueLength), ended: make(chan struct{}),
	}
	l, err := c.current(ctx)
	if err == nil {
		err = c.subscribe(ctx, l, s)
	}
	if err != nil {
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
// The error is io.EOF after Close, or says why the daemon no longer gives the events.
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
	case <-s.ended:
		return Event{}, s.err
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Close ends the subscription. Its error is nil.
func (s *Subscription) Close() error {
	c := s.client
	s.end(io.EOF)
	c.mu.Lock()
	l, name := s.link, s.name
	delete(l.streams, name)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, greetingTime)
	defer cancel()
	// Where it fails, the subscription has ended with its connection.
	_, _ = c.callOn(ctx, l, "unsubscribe", map[string]any{"subscription": name}, nil)
	return nil
}

func (s *Subscription) end(err error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-s.ended:
		return
	default:
	}
	s.err = err
	close(s.ended)
	for i, one := range c.subscriptions {
		if one == s {
			c.subscriptions = append(c.subscriptions[:i:i], c.subscriptions[i+1:]...)
		}
	}
}

// subscribe asks for the events that follow those which there were. The error is nil where only
// this subscription has failed, and not the first time.
func (c *Client) subscribe(ctx context.Context, l *link, s *Subscription) error {
	c.mu.Lock()
	params, first := s.params, s.link == nil
	c.mu.Unlock()
	_, err := c.callOn(ctx, l, s.method, params, func(result json.RawMessage) { s.begin(l, result) })
	if err != nil && !first && !l.isLost() && ctx.Err() == nil {
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
	if json.Unmarshal(result, &answer) != nil {
		s.client.logf("No subscription in the answer to %s.", s.method)
		return
	}
	c := s.client
	c.mu.Lock()
	first, again := s.link == nil, s.link != nil && s.link != l
	s.link, s.name = l, answer.Subscription
	l.streams[s.name] = s
	if first {
		c.subscriptions = append(c.subscriptions, s)
	}
	if s.params.Since == "" || answer.Reset && s.missed == 0 {
		s.params.Since = answer.Cursor
	}
	c.mu.Unlock()
	if again {
		s.deliver(clientEvent(TopicClientConnected, ClientConnected{l.attempt}))
	}
	switch {
	case answer.Reset:
		s.deliver(Event{Topic: TopicClientReset, Cursor: answer.Cursor, Data: answer.Snapshot})
	case first && answer.Snapshot != nil:
		s.Snapshot = new(Snapshot)
		if err := json.Unmarshal(answer.Snapshot, s.Snapshot); err != nil {
			c.logf("The snapshot is not as expected: %v", err)
		}
	}
}

// deliver gives an event to the consumer. The reader waits here where there is no room.
func (s *Subscription) deliver(event Event) {
	c := s.client
	c.mu.Lock()
	if s.missed > 0 {
		s.missed++
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	var taken bool
	select {
	case s.queue <- event:
		taken = true
	default:
		taken = s.deliverSlowly(event)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !taken {
		s.missed = 1
	} else if event.Subscription != "" && !strings.HasPrefix(event.Topic, "events.") {
		s.params.Since, s.lastSeq = event.Cursor, event.Seq
	}
}

// deliverSlowly waits for room. The result is false if a call waits, perhaps the consumer's own.
func (s *Subscription) deliverSlowly(event Event) bool {
	c := s.client
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for {
		select {
		case s.queue <- event:
			return true
		case <-ticker.C:
			c.mu.Lock()
			calls := c.waiting + len(s.link.pending)
			c.mu.Unlock()
			if calls > 0 {
				return false
			}
		case <-s.ended:
			return true
		case <-c.ctx.Done():
			return true
		}
	}
}

// catchUp asks again for events that had no room, now that there is some, and tells of it.
func (s *Subscription) catchUp() *Event {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed == 0 || c.ctx.Err() != nil {
		return nil
	}
	event := clientEvent(TopicEventsLagged, Lagged{LastSeq: s.lastSeq, Missed: s.missed})
	s.missed = 0
	l, name := s.link, s.name
	delete(l.streams, name)
	c.spawn(func() {
		_, _ = c.callOn(c.ctx, l, "unsubscribe", map[string]any{"subscription": name}, nil)
		_ = c.subscribe(c.ctx, l, s) // If the link is lost, the next one has the subscription.
	})
	return &event
}

// listening returns the subscriptions that go on.
func (c *Client) listening() []*Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Subscription(nil), c.subscriptions...)
}

// tell gives all subscriptions an event that concerns the connection.
func (c *Client) tell(event Event) {
	for _, s := range c.listening() {
		s.deliver(event)
	}
}

func clientEvent(topic string, data any) Event {
	text, _ := json.Marshal(data) // Of types that are made here, which JSON has.
	return Event{Topic: topic, Data: text}
}
