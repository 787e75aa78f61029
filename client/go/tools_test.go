package livehandle

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func callLine(id, name string, args any) string {
	return ownLine(TopicToolCall, map[string]any{
		"call_id": id, "registration": "r1", "name": name, "args": args, "deadline_ms": 1000,
	})
}

func register(t *testing.T, c *Client, p *peer, tools ...Tool) *Registration {
	t.Helper()
	return during(t, func(ctx context.Context) (*Registration, error) {
		return c.RegisterTools(ctx, tools...)
	}, func() {
		asked := p.expect("tools.register")
		if _, there := asked.Params["registration"]; there {
			t.Error(asked.Params)
		}
		p.reply(asked, ToolsRegistered{"r1", DeclaredNow})
	})
}

func add(_ context.Context, given struct{ A, B int }) (any, error) {
	if given.A > 1000 {
		return nil, errors.New("too large")
	}
	return map[string]int{"sum": given.A + given.B}, nil
}

func tool(name string, handler Handler) Tool { return Tool{Name: name, Handler: handler} }

func TestAToolIsDeclaredAsItIsGiven(t *testing.T) {
	c, p := newServer(t).client(Options{})
	declared := Tool{
		Name: "add", Description: "Adds.", Parameters: json.RawMessage(`{"type":"OBJECT"}`), Handler: Handle(add),
	}
	r := during(t, func(ctx context.Context) (*Registration, error) {
		return c.RegisterTools(ctx, declared)
	}, func() {
		asked := p.expect("tools.register")
		want := `{"declarations":[{"description":"Adds.","name":"add","parameters":{"type":"OBJECT"}}]}`
		if text(asked.Params) != want {
			t.Error(text(asked.Params))
		}
		p.reply(asked, ToolsRegistered{"r1", DeclaredConnect})
	})
	if r.Declared != DeclaredConnect {
		t.Fatal(r.Declared)
	}
}

func TestACallIsAnsweredByItsHandler(t *testing.T) {
	c, p := newServer(t).client(Options{})
	register(t, c, p, tool("add", Handle(add)), tool("nothing", func(context.Context, json.RawMessage) (any, error) {
		return nil, nil
	}), tool("odd", func(context.Context, json.RawMessage) (any, error) {
		return make(chan int), nil
	}))
	for _, test := range []struct {
		line, want string
	}{
		{callLine("c1", "add", map[string]int{"a": 1, "b": 2}), `{"call_id":"c1","result":{"sum":3}}`},
		{callLine("c2", "add", map[string]int{"a": 1001, "b": 2}), `{"call_id":"c2","error":"too large"}`},
		{callLine("c3", "nothing", map[string]int{}), `{"call_id":"c3","result":null}`},
		{callLine("c4", "odd", map[string]int{}), `{"call_id":"c4","error":"json: unsupported type: chan int"}`},
	} {
		p.write(test.line)
		answer := p.expect("tools.respond")
		if text(answer.Params) != test.want {
			t.Errorf("%s, not %s", text(answer.Params), test.want)
		}
		p.reply(answer, nil)
	}
	p.write(callLine("c5", "add", []int{}))
	if answer := p.expect("tools.respond"); !strings.Contains(text(answer.Params), "cannot unmarshal array") {
		t.Error(text(answer.Params))
	}
}

func TestTheFirstCallMayComeWithTheRegistration(t *testing.T) {
	c, p := newServer(t).client(Options{})
	during(t, func(ctx context.Context) (*Registration, error) {
		return c.RegisterTools(ctx, tool("add", Handle(add)))
	}, func() {
		p.write(resultLine(p.expect("tools.register"), ToolsRegistered{"r1", DeclaredNow}) +
			callLine("c1", "add", map[string]int{}))
		p.reply(p.expect("tools.respond"), nil)
	})
}

func TestACancelledCallEndsItsContext(t *testing.T) {
	c, p := newServer(t).client(Options{})
	stopped := make(chan error, 1)
	register(t, c, p, tool("wait", func(ctx context.Context, _ json.RawMessage) (any, error) {
		<-ctx.Done()
		stopped <- ctx.Err()
		return nil, ctx.Err()
	}))
	p.write(callLine("c1", "wait", nil) + ownLine(TopicToolCancel, ToolCancel{"c1", CancelReasonCancelled}))
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	during(t, c.Phase, func() { p.reply(p.expect("phase"), PhaseNow{}) }) // It was not answered.
}

func TestCloseEndsTheContextsOfTools(t *testing.T) {
	c, p := newServer(t).client(Options{})
	began, stopped := make(chan bool, 1), make(chan error, 1)
	register(t, c, p, tool("wait", func(ctx context.Context, _ json.RawMessage) (any, error) {
		began <- true
		<-ctx.Done()
		stopped <- ctx.Err()
		return nil, ctx.Err()
	}))
	p.write(callLine("c1", "wait", nil))
	<-began
	must(t, c.Close())
	<-stopped
}

func TestALateAnswerIsLogged(t *testing.T) {
	logged := make(chan string, 1)
	c, p := newServer(t).client(Options{Logf: func(format string, _ ...any) { logged <- format }})
	register(t, c, p, tool("add", Handle(add)))
	p.write(callLine("c1", "add", map[string]int{}))
	p.refuse(p.expect("tools.respond"), ErrToolsCallExpired)
	if got := <-logged; !strings.Contains(got, "was not taken") {
		t.Fatal(got)
	}
}

func TestToolsGoToTheNextConnection(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	proceed := make(chan bool)
	runs := 0
	register(t, c, p, tool("slow", func(context.Context, json.RawMessage) (any, error) {
		runs++
		<-proceed
		return runs, nil
	}))
	p.write(callLine("c1", "slow", nil))
	p.conn.Close()
	p = server.hello()
	taken := p.expect("tools.register")
	if text(taken.Params) != `{"registration":"r1"}` {
		t.Fatal(taken.Params)
	}
	p.reply(taken, ToolsRegistered{"r1", DeclaredNow})
	p.write(callLine("c1", "slow", nil)) // As the daemon does for who takes it over.
	proceed <- true
	p.expect("tools.respond")
	p.conn.Close() // Before it was answered: the answer is sent again, for only one is taken.
	p = server.hello()
	p.refuse(p.expect("tools.register"), ErrToolsUnknownRegistration)
	anew := p.expect("tools.register")
	if text(anew.Params) != `{"declarations":[{"name":"slow"}]}` {
		t.Fatal(anew.Params)
	}
	p.reply(anew, ToolsRegistered{"r2", DeclaredNow})
	answer := p.expect("tools.respond")
	if text(answer.Params) != `{"call_id":"c1","result":1}` {
		t.Fatal(answer.Params)
	}
	p.reply(answer, nil)
	p.conn.Close()
	if token := server.hello().expect("tools.register").Params["registration"]; token != "r2" {
		t.Fatal(token)
	}
}

func TestAResultThatIsTooLongBecomesAnError(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	register(t, c, p, tool("add", Handle(add)))
	p.write(callLine("c1", "add", map[string]int{}))
	p.expect("tools.respond")
	p.write(`{"id":null,"error":` + text(newError(ErrWireTooLong, "Too long.")) + "}\n")
	p.conn.Close()
	p = server.hello()
	p.reply(p.expect("tools.register"), ToolsRegistered{"r1", DeclaredNow})
	answer := p.expect("tools.respond")
	if text(answer.Params) != `{"call_id":"c1","error":"Too long. (wire.too_long)"}` {
		t.Fatal(answer.Params)
	}
	p.reply(answer, nil)
}

func TestToolsThatAreTakenMeanwhileAreLogged(t *testing.T) {
	logged := make(chan string, 1)
	server := newServer(t)
	c, p := server.client(Options{Logf: func(format string, _ ...any) { logged <- format }})
	register(t, c, p, tool("add", Handle(add)))
	p.conn.Close()
	p = server.hello()
	p.refuse(p.expect("tools.register"), ErrToolsUnknownRegistration)
	p.refuse(p.expect("tools.register"), ErrToolsNameTaken)
	if got := <-logged; !strings.Contains(got, "not registered any more") {
		t.Fatal(got)
	}
	during(t, c.Phase, func() { p.reply(p.expect("phase"), PhaseNow{}) })
}

func TestUnregisteredToolsAreNotPresentedAgain(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	r := register(t, c, p, tool("add", Handle(add)))
	during(t, func(ctx context.Context) (any, error) { return nil, r.Unregister(ctx) }, func() {
		asked := p.expect("tools.unregister")
		if asked.Params["registration"] != "r1" {
			t.Error(asked.Params)
		}
		p.reply(asked, ToolsUnregistered{DeclaredNow})
	})
	s := listen(t, c, p)
	p.write(callLine("c1", "add", nil)) // Of no tool here: an event.
	if call := next(t, s, TopicToolCall).(*ToolCall); call.CallID != "c1" {
		t.Fatal(call)
	}
	p.conn.Close()
	p = server.hello()
	p.subscribed(p.expect("events"))
}

func TestAToolThatIsRegisteredAnewOutlivesItsFirstRegistration(t *testing.T) {
	c, p := newServer(t).client(Options{})
	answers := func(word string) Tool {
		return tool("say", func(context.Context, json.RawMessage) (any, error) { return word, nil })
	}
	first := register(t, c, p, answers("first"))
	during(t, func(ctx context.Context) (any, error) {
		return c.RegisterTools(ctx, answers("second"))
	}, func() { p.reply(p.expect("tools.register"), ToolsRegistered{"r2", DeclaredNow}) })
	asked := func(id string) {
		p.write(strings.Replace(callLine(id, "say", nil), `"registration":"r1"`, `"registration":"r2"`, 1))
		answer := p.expect("tools.respond")
		if answer.Params["result"] != "second" {
			t.Fatal(answer.Params)
		}
		p.reply(answer, nil)
	}
	asked("c1")
	during(t, func(ctx context.Context) (any, error) {
		return nil, first.Unregister(ctx)
	}, func() { p.reply(p.expect("tools.unregister"), ToolsUnregistered{DeclaredNow}) })
	asked("c2")
}

func TestARegistrationThatIsRefusedLeavesNothing(t *testing.T) {
	server := newServer(t)
	c, p := server.client(Options{})
	failed := make(chan error, 1)
	go func() {
		_, err := c.RegisterTools(within(t), tool("add", Handle(add)))
		failed <- err
	}()
	p.refuse(p.expect("tools.register"), ErrToolsNameTaken)
	if err := <-failed; !errors.Is(err, ErrToolsNameTaken) {
		t.Fatal(err)
	}
	if len(c.registrations) > 0 {
		t.Fatal(c.registrations)
	}
}
