package livehandle

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

func TestASubscriptionGoesOnWhereItWas(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	s := listen(t, c, p)
	since := "k:2"
	p.write(delta(1) + delta(2) + delta(3)[:20])
	for range [3]int{} {
		p.conn.Close()
		p = server.hello()
		resumed := p.expect("events")
		if resumed.Params["since"] != since || text(resumed.Params["topics"]) != `["live.*"]` {
			t.Fatalf("%v", resumed.Params)
		}
		p.reply(resumed, map[string]string{"subscription": "e1", "cursor": "k:9"})
	}
	p.write(delta(3))
	expectText(t, s, "t1")
	expectText(t, s, "t2")
	for range [3]int{} {
		next(t, s, TopicClientDisconnected)
		if next(t, s, TopicClientConnected).(*ClientConnected).Attempt != 1 {
			t.Fatal("it did not connect at once")
		}
	}
	expectText(t, s, "t3")
}

func TestASubscriptionThatSawNothingGoesOnFromItsAnswer(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	listen(t, c, p)
	p.conn.Close()
	if since := server.hello().expect("events").Params["since"]; since != "k:0" {
		t.Fatal(since)
	}
}

func TestAResetIsToldWithItsSnapshot(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	s := listen(t, c, p)
	p.conn.Close()
	again := server.hello()
	snapshot := map[string]any{"phase": "active", "state": map[string]int{"app:a": 1}}
	reset := map[string]any{"subscription": "e7", "cursor": "n:5", "reset": true, "snapshot": snapshot}
	again.reply(again.expect("events"), reset)
	next(t, s, TopicClientDisconnected)
	next(t, s, TopicClientConnected)
	got := next(t, s, TopicClientReset).(*ClientReset)
	if got.Phase != PhaseActive || string(got.State["app:a"]) != "1" {
		t.Fatalf("%+v", got)
	}
	again.conn.Close()
	if since := server.hello().expect("events").Params["since"]; since != "n:5" {
		t.Fatal(since)
	}
}

func TestASnapshotThatWasAskedForIsThere(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := during(t, func(ctx context.Context) (*Subscription, error) {
		return c.Subscribe(ctx, SubscribeParams{Snapshot: true})
	}, func() {
		asked := p.expect("subscribe")
		p.reply(asked, map[string]any{"subscription": "s1", "cursor": "k:0", "snapshot": map[string]string{"phase": "active"}})
	})
	if s.Snapshot == nil || s.Snapshot.Phase != PhaseActive {
		t.Fatal(s.Snapshot)
	}
}

func TestLagIsToldAndMadeGood(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := listen(t, c, p)
	p.write(delta(1) + eventLine(TopicEventsDropped, 0, Dropped{1, 7, 7}) + delta(4) +
		eventLine(TopicEventsLagged, 9, Lagged{4, 5}))
	again := p.expect("events")
	if again.Params["since"] != "k:4" {
		t.Fatal(again.Params)
	}
	p.write(delta(9)) // Of the old subscription.
	p.reply(again, map[string]string{"subscription": "e1", "cursor": "k:4"})
	p.write(delta(5))
	expectText(t, s, "t1")
	next(t, s, TopicEventsDropped)
	expectText(t, s, "t4")
	if lagged := next(t, s, TopicEventsLagged).(*EventsLagged); lagged.Missed != 5 {
		t.Fatal(lagged)
	}
	expectText(t, s, "t5")
}

// fill writes deltas from 1 on until the socket takes no more. It returns the number of the last one,
// and what is left of it.
func fill(t *testing.T, s *Subscription, p *peer) (seq int, rest string) {
	t.Helper()
	for {
		if rest == "" {
			seq++
			rest = delta(seq)
		}
		must(t, p.conn.SetWriteDeadline(time.Now().Add(patience/8)))
		n, err := p.conn.Write([]byte(rest))
		rest = rest[n:]
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if len(s.queue) == queueLength {
			must(t, p.conn.SetWriteDeadline(time.Now().Add(deadline)))
			return seq, rest
		}
	}
}

func TestAConsumerThatDoesNotReadLetsTheSocketFill(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := listen(t, c, p)
	end, rest := fill(t, s, p)
	written := make(chan error, 1)
	go func() {
		_, err := p.conn.Write([]byte(rest))
		written <- err
	}()
	for seq := 1; seq <= end; seq++ {
		expectText(t, s, "t"+text(seq))
	}
	must(t, <-written)
}

func TestACallIsAnsweredWhileTheConsumerDoesNotRead(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := listen(t, c, p)
	end, rest := fill(t, s, p)
	during(t, c.Phase, func() { p.write(rest + resultLine(p.expect("phase"), PhaseNow{})) })
	for seq := 1; seq <= queueLength; seq++ {
		expectText(t, s, "t"+text(seq))
	}
	lagged := next(t, s, TopicEventsLagged).(*EventsLagged)
	if want := (EventsLagged{queueLength, int64(end - queueLength)}); *lagged != want {
		t.Fatalf("%+v is not %+v", lagged, want)
	}
	unsubscribe := p.expect("unsubscribe")
	if unsubscribe.Params["subscription"] != "e1" {
		t.Fatal(unsubscribe.Params)
	}
	p.write(delta(end + 1)) // Of the old subscription: too late.
	p.reply(unsubscribe, nil)
	again := p.expect("events")
	if again.Params["since"] != "k:"+text(queueLength) {
		t.Fatal(again.Params)
	}
	p.subscribed(again)
	p.write(delta(queueLength + 1))
	expectText(t, s, "t"+text(queueLength+1))
}

func TestACallIsAnsweredWhileTheConsumerReadsSlowly(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := listen(t, c, p)
	end, rest := fill(t, s, p)
	answered := make(chan error, 1)
	go func() {
		_, err := c.Phase(within(t))
		answered <- err
	}()
	asked := p.expect("phase")
	go p.conn.Write([]byte(rest + resultLine(asked, PhaseNow{})))
	slowly := time.NewTicker(patience / 8)
	defer slowly.Stop()
	for seq := 1; seq < end; seq++ {
		select {
		case err := <-answered:
			must(t, err)
			return
		case <-slowly.C:
			expectText(t, s, "t"+text(seq))
		}
	}
	t.Fatal("not answered before all was read")
}

func TestASubscriptionThatIsGivenUpBeforeItsAnswerEnds(t *testing.T) {
	c, p := newServer(t).client(Options{})
	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error, 1)
	go func() {
		_, err := c.Events(ctx, EventsParams{})
		failed <- err
	}()
	asked := p.expect("events")
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.subscribed(asked)
	p.reply(p.expect("unsubscribe"), nil)
	p.conn.Close()
}

func TestASubscriptionThatIsRefusedEnds(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	s := listen(t, c, p)
	p.write(delta(1))
	p.conn.Close()
	again := server.hello()
	again.refuse(again.expect("events"), ErrEventsUnknownTopic)
	expectText(t, s, "t1")
	next(t, s, TopicClientDisconnected)
	if _, err := s.Next(within(t)); !errors.Is(err, ErrEventsUnknownTopic) {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := c.Events(within(t), EventsParams{Topics: []string{"no"}})
		failed <- err
	}()
	again.refuse(again.expect("events"), ErrEventsUnknownTopic)
	if err := <-failed; !errors.Is(err, ErrEventsUnknownTopic) {
		t.Fatal(err)
	}
}

func TestASubscriptionThatIsClosedIsNotMadeAgain(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	s := listen(t, c, p)
	during(t, func(context.Context) (any, error) { return nil, s.Close() }, func() {
		unsubscribe := p.expect("unsubscribe")
		if unsubscribe.Params["subscription"] != "e1" {
			t.Error(unsubscribe.Params)
		}
		p.reply(unsubscribe, nil)
	})
	if _, err := s.Next(within(t)); err != io.EOF {
		t.Fatal(err)
	}
	p.conn.Close()
	again := server.hello()
	during(t, c.Phase, func() { again.reply(again.expect("phase"), PhaseNow{}) })
	must(t, s.Close())
}

func TestNextEndsWithItsContext(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := listen(t, c, p)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.write(delta(1))
	expectText(t, s, "t1")
}

func TestEventsOfTheConnectionGoToEverySubscription(t *testing.T) {
	c, p := newServer(t).client(Options{})
	one, other := listen(t, c, p), listen(t, c, p)
	p.write(ownLine(TopicExtractorRun, ExtractorRun{RunID: "r1"}))
	for _, s := range []*Subscription{one, other} {
		if run := next(t, s, TopicExtractorRun).(*ExtractorRun); run.RunID != "r1" {
			t.Fatal(run)
		}
	}
}
