package livehandle

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Handler carries out one call of a tool. What it returns is sent as JSON, or its error's text. The
// context ends with Client.Close, and when the model wants no answer any more.
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

type toolRun struct{ cancel context.CancelFunc }

// RegisterTools has the model call functions of this program.
func (c *Client) RegisterTools(ctx context.Context, tools ...Tool) (*Registration, error) {
	r := &Registration{client: c, tools: tools}
	r.set(true) // The first call may come before the next statement.
	l, err := c.current(ctx)
	if err == nil {
		err = c.register(ctx, l, r, true)
	}
	if err != nil {
		r.set(false)
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
	r.set(false)
	_, err := c.ToolsUnregister(ctx, ToolsUnregisterParams{Registration: token})
	return err
}

func (r *Registration) set(there bool) {
	c := r.client
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tool := range r.tools {
		if there {
			c.tools[tool.Name] = tool
		} else {
			delete(c.tools, tool.Name)
		}
	}
}

// register asks for the registration there was, or for a new one.
func (c *Client) register(ctx context.Context, l *link, r *Registration, anew bool) error {
	c.mu.Lock()
	first, params := r.token == "", map[string]any{"registration": r.token}
	c.mu.Unlock()
	if anew {
		params = map[string]any{"declarations": r.tools}
	}
	_, err := c.callOn(ctx, l, "tools.register", params, func(result json.RawMessage) {
		var answer ToolsRegistered
		if err := json.Unmarshal(result, &answer); err != nil {
			c.logf("No registration in the answer to tools.register: %v", err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		r.token = answer.Registration
		if first {
			r.Declared = answer.Declared
			c.registrations = append(c.registrations, r)
		}
	})
	return err
}

// presentTools takes over what was registered on the last link.
func (c *Client) presentTools(ctx context.Context, l *link) error {
	c.mu.Lock()
	registrations := append([]*Registration(nil), c.registrations...)
	c.mu.Unlock()
	for _, r := range registrations {
		err := c.register(ctx, l, r, false)
		if errors.Is(err, ErrToolsUnknownRegistration) {
			err = c.register(ctx, l, r, true)
		}
		if err != nil && (l.isLost() || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			c.logf("Tools are not registered any more: %v", err)
		}
	}
	return nil
}

// called begins a call. The result is false where it is of no tool with a handler.
func (c *Client) called(event Event) bool {
	var call struct {
		ID   string `json:"call_id"`
		Name string
		Args json.RawMessage
	}
	if json.Unmarshal(event.Data, &call) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	tool := c.tools[call.Name]
	if tool.Handler == nil {
		return false
	}
	if c.running[call.ID] != nil {
		return true // It came again with a new connection: the answer will go there.
	}
	ctx, cancel := context.WithCancel(c.ctx)
	run := &toolRun{cancel}
	c.running[call.ID] = run
	go func() {
		defer cancel()
		result, err := tool.Handler(ctx, call.Args)
		c.respond(ctx, call.ID, result, err)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.running[call.ID] == run {
			delete(c.running, call.ID)
		}
	}()
	return true
}

// cancelled ends the context of a call. The result is false where it is none of called.
func (c *Client) cancelled(event Event) bool {
	var cancel ToolCancel
	if json.Unmarshal(event.Data, &cancel) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	run := c.running[cancel.CallID]
	if run == nil {
		return false
	}
	delete(c.running, cancel.CallID)
	run.cancel()
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
			case <-time.After(firstDelay):
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
