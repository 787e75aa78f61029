package livehandle

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Handler carries out one call of a tool. What it returns is sent as JSON, or its error's text. The
// context ends with Client.Close, and when the model wants no answer any more.
//
// It runs in a goroutine of its own: a panic ends the program, as in any other.
type Handler func(ctx context.Context, args json.RawMessage) (any, error)

// Handle makes a Handler of a function whose arguments have a type.
func Handle[Args any](run func(ctx context.Context, args Args) (any, error)) Handler {
	return func(ctx context.Context, args json.RawMessage) (any, error) {
		var given Args
		if err := json.Unmarshal(args, &given); err != nil {
			return nil, err
		}
		return run(ctx, given)
	}
}

// Tool is a function that the model may call, as the Live API declares it, and what carries it out.
type Tool struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Parameters is the schema of the arguments: anything that is the JSON of one.
	Parameters any `json:"parameters,omitempty"`
	// Response is the schema of the result.
	Response any `json:"response,omitempty"`
	// Behavior is BLOCKING or NON_BLOCKING: whether the model waits for the result.
	Behavior string `json:"behavior,omitempty"`
	// Handler carries it out; without one, each call is an event tool.call of all subscriptions.
	Handler Handler `json:"-"`
}

// Registration is tools that this client carries out, on each of its connections.
type Registration struct {
	// Declared is when the model knows of the tools.
	Declared Declared

	client *Client
	tools  []Tool
	token  string
}

// RegisterTools has the model call functions of this program.
func (c *Client) RegisterTools(ctx context.Context, tools ...Tool) (*Registration, error) {
	r := &Registration{client: c, tools: tools}
	l, err := c.current(ctx)
	if err == nil {
		err = r.register(ctx, l, r.declarations())
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Unregister ends it: the model can call the tools no more.
func (r *Registration) Unregister(ctx context.Context) error {
	c := r.client
	c.mu.Lock()
	token := r.token
	for i, one := range c.registrations {
		if one == r {
			c.registrations = append(c.registrations[:i:i], c.registrations[i+1:]...)
		}
	}
	c.mu.Unlock()
	_, err := c.ToolsUnregister(ctx, ToolsUnregisterParams{Registration: token})
	return err
}

// register has the tools called on this link. The params are their declarations, or the registration there was.
func (r *Registration) register(ctx context.Context, l *link, params map[string]any) error {
	return l.call(ctx, "tools.register", params, nil, func(result json.RawMessage) {
		var answer ToolsRegistered
		c := r.client
		if err := json.Unmarshal(result, &answer); err != nil {
			c.logf("The answer to tools.register is not as expected: %v", err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.token == "" {
			r.Declared = answer.Declared
			c.registrations = append(c.registrations, r)
		}
		r.token = answer.Registration
	})
}

func (r *Registration) declarations() map[string]any { return map[string]any{"declarations": r.tools} }

// presentTools takes over what was registered on the last link.
func (l *link) presentTools(ctx context.Context) error {
	c := l.client
	c.mu.Lock()
	registrations := append([]*Registration(nil), c.registrations...)
	c.mu.Unlock()
	for _, r := range registrations {
		err := r.register(ctx, l, map[string]any{"registration": r.token})
		if errors.Is(err, ErrToolsUnknownRegistration) {
			err = r.register(ctx, l, r.declarations())
		}
		if l.refused(ctx, err) {
			c.logf("Tools are not registered any more: %v", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// called begins a call. The result is false where it is of no tool with a handler.
func (c *Client) called(event Event) bool {
	var call struct {
		ID                 string `json:"call_id"`
		Registration, Name string
		Args               json.RawMessage
	}
	if json.Unmarshal(event.Data, &call) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	handler := c.handler(call.Registration, call.Name)
	if handler == nil {
		return false
	}
	if c.running[call.ID] != nil {
		return true // It came again with a new connection: the answer will go there.
	}
	ctx, cancel := context.WithCancel(c.ctx)
	c.running[call.ID] = cancel
	go func() {
		defer cancel()
		result, err := handler(ctx, call.Args)
		c.respond(ctx, call.ID, result, err)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.running, call.ID)
	}()
	return true
}

// handler returns what carries a tool out; the caller holds the lock.
func (c *Client) handler(registration, name string) Handler {
	for _, r := range c.registrations {
		for _, tool := range r.tools {
			if r.token == registration && tool.Name == name {
				return tool.Handler
			}
		}
	}
	return nil
}

// cancelled ends the context of a call. The result is false where it is none of called.
func (c *Client) cancelled(event Event) bool {
	var asked ToolCancel
	if json.Unmarshal(event.Data, &asked) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cancel := c.running[asked.CallID]
	if cancel == nil {
		return false
	}
	cancel()
	return true
}

// respond answers a call, if need be on the next link: the daemon takes one answer alone.
func (c *Client) respond(ctx context.Context, id string, result any, failure error) {
	answer := ToolsRespondParams{CallID: id}
	if failure == nil {
		var text json.RawMessage // A result of nil is null, and not left out.
		text, failure = json.Marshal(result)
		answer.Result = text
	}
	if failure != nil {
		if ctx.Err() != nil {
			return // The handler was told to stop, and did.
		}
		answer.Result, answer.Error = nil, firstOf(failure.Error(), "The tool failed.")
	}
	for {
		err := c.ToolsRespond(c.ctx, answer)
		switch {
		case errors.Is(err, ErrDaemonUnreachable) && ctx.Err() == nil:
			select {
			case <-time.After(delays[1]):
			case <-ctx.Done():
			}
		case errors.Is(err, ErrWireTooLong) && answer.Result != nil:
			answer.Result, answer.Error = nil, err.Error()
		default:
			if err != nil && c.ctx.Err() == nil {
				c.logf("The answer to call %s was not taken: %v", id, err)
			}
			return
		}
	}
}
