// Certify is run against `livectl certify`, which says what this client gets wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"

	"livehandle"
)

func main() {
	log.SetFlags(0)
	if err := certify(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func certify(ctx context.Context) error {
	live, err := livehandle.Dial(ctx, livehandle.Options{Name: "certify go", Logf: log.Printf})
	if err != nil {
		return err
	}
	defer live.Close()
	if err := live.DaemonPing(ctx); err != nil {
		return err
	}
	_, err = live.StateGet(ctx, "app:missing")
	if err := live.StateSet(ctx, "app:error", nameOf(err)); err != nil {
		return err
	}

	minute := livehandle.DoneParams{TimeoutMs: livehandle.Ptr[int64](60_000)}
	done, err := live.Begin(ctx, "done", minute)
	if err != nil {
		return err
	}
	lost := make(chan error, 1)
	go func() { lost <- live.StateSet(ctx, "app:lost", nameOf(done(nil))) }()
	now, err := live.Phase(ctx)
	if err != nil {
		return err
	}
	if err := live.StateSet(ctx, "app:phase", now.Phase); err != nil {
		return err
	}
	if _, err := live.RegisterTools(ctx, add); err != nil {
		return err
	}
	if err := repeat(ctx, live); err != nil {
		return err
	}
	if err := <-lost; err != nil {
		return err
	}
	return live.Disconnect(ctx)
}

var add = livehandle.Tool{
	Name: "add",
	Parameters: map[string]any{
		"type": "OBJECT",
		"properties": map[string]any{
			"a": map[string]any{"type": "INTEGER"},
			"b": map[string]any{"type": "INTEGER"},
		},
		"required": []string{"a", "b"},
	},
	Handler: livehandle.Handle(func(_ context.Context, given struct{ A, B int64 }) (any, error) {
		if given.A > 1000 {
			return nil, errors.New("too large")
		}
		return map[string]int64{"sum": given.A + given.B}, nil
	}),
}

// repeat sends each turn's text back, to the last one.
func repeat(ctx context.Context, live *livehandle.Client) error {
	events, err := live.Events(ctx, livehandle.EventsParams{
		Topics: []string{livehandle.TopicLiveTextDelta, livehandle.TopicLiveTurnComplete},
	})
	if err != nil {
		return err
	}
	text := ""
	for {
		event, err := events.Next(ctx)
		if err != nil {
			return err
		}
		switch data := event.Decode().(type) {
		case *livehandle.LiveTextDelta:
			text += data.Text
		case *livehandle.LiveTurnComplete:
			if err := live.SendText(ctx, text); err != nil {
				return err
			}
			if text == "That is all." {
				return nil
			}
			text = ""
		case *livehandle.ClientReset:
			text = ""
			err = live.StateSet(ctx, "app:reset", true)
		case *livehandle.EventsLagged:
			err = live.StateSet(ctx, "app:lagged", data.Missed)
		case json.RawMessage:
			log.Printf("An event of the topic %s, which this client does not know.", event.Topic)
		}
		if err != nil {
			return err
		}
	}
}

func nameOf(err error) string {
	var refused *livehandle.Error
	if errors.As(err, &refused) {
		return string(refused.Name)
	}
	return ""
}
