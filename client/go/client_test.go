package livehandle

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAnAnswerIsReadHoweverItIsCut(t *testing.T) {
	long := strings.Repeat("long ", 200_000)
	for name, value := range map[string]string{
		"plain": "Hello", "unicode": "Grüße \u2028 😀", "escapes": "a\nb\"\\", "a megabyte": long,
	} {
		t.Run(name, func(t *testing.T) {
			c, p := newServer(t).client(Options{})
			got := during(t, func(ctx context.Context) (StateValue, error) {
				return c.StateGet(ctx, "app:a")
			}, func() {
				line := resultLine(p.expect("state.get"), map[string]any{"value": value, "present": true, "novel": 1})
				step := 1
				if len(line) > 1000 {
					step = 70_001
				}
				for ; len(line) > step; line = line[step:] {
					p.write(line[:step])
				}
				p.write(line)
			})
			var read string
			must(t, json.Unmarshal(got.Value, &read))
			if read != value || !got.Present {
				t.Fatalf("%.100q was read", read)
			}
		})
	}
}

func TestSeveralLinesComeInOneWrite(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := during(t, func(ctx context.Context) (*Subscription, error) {
		return c.Events(ctx, EventsParams{})
	}, func() {
		answer := resultLine(p.expect("events"), map[string]string{"subscription": "e1", "cursor": "k:0"})
		unknown := `{"jsonrpc":"2.0","method":"novelty","params":{}}` + "\n[]\n" + `{"id":"x","result":1}` + "\n"
		p.write(answer + delta(1) + unknown + eventLine("live.novelty", 2, "new") + delta(3))
	})
	expectText(t, s, "t1")
	if raw, ok := next(t, s, "live.novelty").(json.RawMessage); !ok || string(raw) != `"new"` {
		t.Fatalf("%s came", raw)
	}
	expectText(t, s, "t3")
}

func TestAnswersComeOutOfOrder(t *testing.T) {
	c, p := newServer(t).client(Options{})
	done, err := c.Begin(within(t), "done", DoneParams{})
	must(t, err)
	phase := during(t, c.Phase, func() {
		first, second := p.expect("done"), p.expect("phase")
		p.reply(second, PhaseNow{PhaseActive})
		p.reply(first, Ended{Reason: EndedReasonClosed})
	})
	var ended Ended
	must(t, done(&ended))
	if phase.Phase != PhaseActive || ended.Reason != EndedReasonClosed {
		t.Fatalf("%v, %v", phase, ended)
	}
}

func TestASecondAnswerToOneCallIsIgnored(t *testing.T) {
	c, p := newServer(t).client(Options{})
	wait, err := c.Begin(within(t), "done", nil)
	must(t, err)
	answer := resultLine(p.expect("done"), Ended{Reason: EndedReasonClosed})
	p.write(answer + answer)
	during(t, c.Phase, func() { p.reply(p.expect("phase"), PhaseNow{}) })
	must(t, wait(nil))
}

func TestParametersAreSentAsTheDescriptionHasThem(t *testing.T) {
	c, p := newServer(t).client(Options{})
	for want, call := range map[string]func(context.Context) error{
		`{"text":"a"}`:    func(ctx context.Context) error { return c.SendText(ctx, "a") },
		`{"data":"AAE="}`: func(ctx context.Context) error { return c.SendAudio(ctx, []byte{0, 1}) },
		`{}`:              c.DaemonPing,
		`{"key":"app:a","value":null}`: func(ctx context.Context) error {
			return c.StateSet(ctx, "app:a", nil)
		},
		`{"force":true,"role":"mic"}`: func(ctx context.Context) error {
			_, err := c.Claim(ctx, ClaimParams{Role: RoleMic, Force: true})
			return err
		},
		`{"phase":"active","timeout_ms":0}`: func(ctx context.Context) error {
			_, err := c.SessionWaitForPhase(ctx, SessionWaitForPhaseParams{Phase: PhaseActive, TimeoutMs: Ptr[int64](0)})
			return err
		},
	} {
		during(t, func(ctx context.Context) (any, error) { return nil, call(ctx) }, func() {
			line, err := p.in.ReadBytes('\n')
			must(t, err)
			var got request
			must(t, json.Unmarshal(line, &got))
			if text(got.Params) != want {
				t.Errorf("%s was sent, not %s", line, want)
			}
			p.reply(got, nil)
		})
	}
}

func TestAnErrorHasNameCodeAndData(t *testing.T) {
	for name, known := range map[string]bool{"text.empty": true, "novel.error": false} {
		c, p := newServer(t).client(Options{})
		answered := make(chan error, 1)
		go func() { answered <- c.SendText(within(t), "") }()
		p.write(`{"jsonrpc":"2.0","id":` + text(p.expect("send_text").ID) +
			`,"error":{"code":1120,"message":"Send words.","novel":1,"data":{"name":"` + name +
			`","retryable":true,"param":"text"}}}` + "\n")
		err := <-answered
		var refused *Error
		if !errors.As(err, &refused) || errors.Is(err, ErrTextEmpty) != known {
			t.Fatalf("%v", err)
		}
		if refused.Name != ErrorName(name) || refused.Code != 1120 || refused.Error() != "Send words. ("+name+")" ||
			!refused.Retryable || string(refused.Data["param"]) != `"text"` {
			t.Fatalf("%+v", refused)
		}
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	c, p := newServer(t).client(Options{})
	ctx, cancel := context.WithCancel(within(t))
	answered := make(chan error, 1)
	go func() {
		_, err := c.Done(ctx, DoneParams{})
		answered <- err
	}()
	late := p.expect("done")
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	during(t, c.Phase, func() {
		p.reply(late, Ended{})
		p.reply(p.expect("phase"), PhaseNow{})
	})
}

func TestCallsInFlightFailWithTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		last string
		want ErrorName
	}{
		"the end":         {"", ErrDaemonUnreachable},
		"half a line":     {`{"jsonrpc":"2.0","id":2,"result":null}`, ErrDaemonUnreachable},
		"no JSON":         {"HTTP/1.1 400 Bad Request\r\n", ErrDaemonUnreachable},
		"an error of all": {`{"jsonrpc":"2.0","id":null,"error":` + text(newError(ErrWireTooLong, "Long.")) + "}\n", ErrWireTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			c, p := server.client(Options{})
			wait, err := c.Begin(within(t), "send_text", map[string]string{"text": "a"})
			must(t, err)
			p.expect("send_text")
			p.write(test.last)
			must(t, p.conn.CloseWrite())
			p.expectEnd()
			if err := wait(nil); !errors.Is(err, test.want) {
				t.Fatal(err)
			}
			// It is not made again, and the next one goes by the next connection.
			during(t, c.Phase, func() {
				again := server.hello()
				again.reply(again.expect("phase"), PhaseNow{})
			})
		})
	}
}

func TestCallsFailAtOnceWhileThereIsNoDaemon(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	s := listen(t, c, p)
	server.listener.Close()
	p.conn.Close()
	lost := next(t, s, TopicClientDisconnected).(*ClientDisconnected)
	if lost.Error.Name != ErrDaemonUnreachable {
		t.Fatal(lost.Error)
	}
	if _, err := c.Phase(within(t)); !errors.Is(err, ErrDaemonUnreachable) {
		t.Fatal(err)
	}
	server.listen()
	again := server.hello()
	again.subscribed(again.expect("events"))
	if attempt := next(t, s, TopicClientConnected).(*ClientConnected).Attempt; attempt < 2 {
		t.Fatalf("attempt %d", attempt)
	}
	during(t, c.Phase, func() { again.reply(again.expect("phase"), PhaseNow{}) })
}

func TestDialFailsWhereNobodyAnswers(t *testing.T) {
	server := newServer(t)
	if _, err := Dial(within(t), Options{Socket: server.path + "x"}); !errors.Is(err, ErrDaemonUnreachable) {
		t.Fatal(err)
	}
	for _, hello := range []func(*peer){
		func(p *peer) { p.refuse(p.expect("daemon.hello"), ErrDaemonTooManyClients) },
		func(p *peer) {
			p.write(`{"id":null,"error":` + text(newError(ErrDaemonTooManyClients, "No.")) + "}\n")
			p.conn.Close()
		},
	} {
		failed := make(chan error, 1)
		go func() {
			_, err := Dial(within(t), Options{Socket: server.path})
			failed <- err
		}()
		hello(server.accept())
		if err := <-failed; !errors.Is(err, ErrDaemonTooManyClients) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, Options{Socket: server.path})
		failed <- err
	}()
	silent := server.accept()
	silent.expect("daemon.hello")
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	silent.expectEnd()
}

func TestDialTellsWhatIsNotTheDaemon(t *testing.T) {
	server := newServer(t)
	for name, reply := range map[string]func(p *peer, hello string) string{
		"an echo":          func(_ *peer, hello string) string { return hello },
		"no object":        func(*peer, string) string { return `{"id":1,"result":42}` + "\n" },
		"no name":          func(*peer, string) string { return `{"id":1,"result":{}}` + "\n" },
		"no JSON":          func(*peer, string) string { return "220 mail.example\n" },
		"a line too long":  func(*peer, string) string { return strings.Repeat(" ", maxLine+2) },
		"nothing, in time": func(*peer, string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			want := "is not livehandled"
			if strings.HasPrefix(name, "nothing") {
				defer func(before time.Duration) { greetingTime = before }(greetingTime)
				greetingTime = time.Millisecond
				want = "did not answer within 1ms"
			}
			failed := make(chan error, 1)
			go func() {
				_, err := Dial(within(t), Options{Socket: server.path})
				failed <- err
			}()
			p := server.accept()
			hello, _ := p.in.ReadString('\n')
			_, _ = p.conn.Write([]byte(reply(p, hello))) // It may close before it has read all.
			if err := <-failed; !errors.Is(err, ErrDaemonUnreachable) || !strings.Contains(err.Error(), want) {
				t.Fatal(err)
			}
		})
	}
}

func TestASocketOfAnotherUserIsSaidToBeOne(t *testing.T) {
	if err := noDaemon(fs.ErrPermission); !strings.Contains(err.Error(), "belongs to another user") {
		t.Fatal(err)
	}
	if err := noDaemon(fs.ErrNotExist); !strings.Contains(err.Error(), "start one") {
		t.Fatal(err)
	}
}

func TestAnAnswerMayBeAskedForTwice(t *testing.T) {
	c, p := newServer(t).client(Options{})
	wait, err := c.Begin(within(t), "phase", nil)
	must(t, err)
	p.reply(p.expect("phase"), PhaseNow{PhaseActive})
	for range [2]int{} {
		var now PhaseNow
		must(t, wait(&now))
		if now.Phase != PhaseActive {
			t.Fatal(now)
		}
	}
}

func TestCloseEndsCallsAndSubscriptions(t *testing.T) {
	c, p := newServer(t).client(Options{})
	s := listen(t, c, p)
	wait, err := c.Begin(within(t), "done", nil)
	must(t, err)
	p.expect("done")
	must(t, c.Close())
	must(t, c.Close())
	if err := wait(nil); !errors.Is(err, ErrDaemonUnreachable) {
		t.Fatal(err)
	}
	if _, err := s.Next(within(t)); err == nil || err.Error() != "EOF" {
		t.Fatal(err)
	}
	if err := c.DaemonPing(within(t)); !errors.Is(err, ErrDaemonUnreachable) {
		t.Fatal(err)
	}
	p.expectEnd()
}

func TestCloseEndsAnAttemptToConnect(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	p.conn.Close()
	again := server.accept()
	again.expect("daemon.hello")
	must(t, c.Close())
	again.expectEnd()
}

func TestByeEndsAConnection(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	s := listen(t, c, p)
	p.write(ownLine(TopicDaemonBye, Nothing{}))
	p.expectEnd()
	next(t, s, TopicDaemonBye)
	next(t, s, TopicClientDisconnected)
	again := server.hello()
	again.subscribed(again.expect("events"))
	next(t, s, TopicClientConnected)
}

func TestTheSocketIsFoundByTheRule(t *testing.T) {
	runtime := t.TempDir()
	must(t, os.Chmod(runtime, 0o700))
	long := "/" + strings.Repeat("x", 107)
	for _, test := range []struct {
		socket, instance, ofSocket, ofInstance, want string
	}{
		{"/a/s", "i", "/b/s", "j", "/a/s"},
		{"", "i", "/b/s", "j", "/b/s"},
		{"", "i", "", "j", runtime + "/livehandle/i.sock"},
		{"", "", "", "j", runtime + "/livehandle/j.sock"},
		{"", "", "", "", runtime + "/livehandle/default.sock"},
		{"", "..", "", "", ""},
		{"", "a/b", "", "", ""},
		{long, "", "", "", ""},
		{long[:107], "", "", "", long[:107]},
	} {
		t.Setenv("XDG_RUNTIME_DIR", runtime)
		t.Setenv("LIVEHANDLE_SOCKET", test.ofSocket)
		t.Setenv("LIVEHANDLE_INSTANCE", test.ofInstance)
		got, err := socketPath(test.socket, test.instance)
		if got != test.want || (test.want == "") != errors.Is(err, ErrConfigInvalid) {
			t.Errorf("%v: %q, %v", test, got, err)
		}
	}
}

func TestADirectoryThatOthersSeeIntoIsNotTaken(t *testing.T) {
	open, temporary := t.TempDir(), t.TempDir()
	must(t, os.Chmod(open, 0o755))
	t.Setenv("XDG_RUNTIME_DIR", open)
	t.Setenv("TMPDIR", temporary)
	if directory, err := runtimeDirectory(); err != nil || directory == open {
		t.Fatalf("%q, %v", directory, err)
	}
}

func TestEventsAreDecodedByTopic(t *testing.T) {
	for _, test := range []struct {
		topic, data string
		want        any
	}{
		{TopicLiveAudio, `{"data":"AAE=","mime_type":"audio/pcm"}`, &LiveAudio{Data: []byte{0, 1}, MimeType: "audio/pcm"}},
		{TopicToolCancel, `{"call_id":"c","reason":"timeout"}`, &ToolCancel{"c", CancelReasonTimeout}},
		{TopicLiveGoAway, `{}`, &LiveGoAway{}},
		{TopicLiveThought, `{"text":7}`, json.RawMessage(`{"text":7}`)},
		{"novel.topic", `[]`, json.RawMessage(`[]`)},
		{TopicLiveError, `{"code":1300,"message":"No.","data":{"name":"upstream.rejected"}}`, &LiveError{Error{
			Name: ErrUpstreamRejected, Code: 1300, Message: "No.",
			Data: map[string]json.RawMessage{"name": json.RawMessage(`"upstream.rejected"`)},
		}}},
	} {
		event := Event{Topic: test.topic, Data: json.RawMessage(test.data)}
		if got := event.Decode(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s is %#v", test.topic, got)
		}
	}
	long := text(map[string]any{"error": newError(ErrWireResultTooLarge, "Long.")})
	got, ok := Event{Topic: TopicStateChanged, Data: json.RawMessage(long)}.Decode().(*Error)
	if !ok || !errors.Is(got, ErrWireResultTooLarge) {
		t.Errorf("%s is %v", long, got)
	}
}
