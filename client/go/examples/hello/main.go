// Hello sends one text, carries out the function that the model calls, and prints the reply.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"livehandle"
)

func main() {
	log.SetFlags(0)
	text := `call get_weather {"city": "Oslo"}`
	if len(os.Args) > 1 {
		text = os.Args[1]
	}
	if err := converse(context.Background(), text); err != nil {
		log.Fatal(err)
	}
}

func converse(ctx context.Context, text string) error {
	live, err := livehandle.Dial(ctx, livehandle.Options{Name: "hello"})
	if err != nil {
		return err
	}
	defer live.Close()

	type place struct{ City string }
	_, err = live.RegisterTools(ctx, livehandle.Tool{
		Name:        "get_weather",
		Description: "The temperature in a city, in degrees Celsius.",
		Parameters: map[string]any{
			"type":       "OBJECT",
			"properties": map[string]any{"city": map[string]any{"type": "STRING"}},
			"required":   []string{"city"},
		},
		Handler: livehandle.Handle(func(_ context.Context, asked place) (any, error) {
			fmt.Println("tool: get_weather", asked.City)
			return map[string]int{"temperature": 7}, nil
		}),
	})
	if err != nil {
		return err
	}
	events, err := live.Events(ctx, livehandle.EventsParams{})
	if err != nil {
		return err
	}
	if err := live.SendText(ctx, text); err != nil {
		return err
	}
	for {
		event, err := events.Next(ctx)
		if err != nil {
			return err
		}
		switch data := event.Decode().(type) {
		case *livehandle.LiveOutputTranscript:
			fmt.Print(data.Text)
		case *livehandle.LiveTurnComplete:
			if data.Model != "" { // A turn without words is the one that calls the function.
				fmt.Println()
				return nil
			}
		case *livehandle.LiveError:
			return &data.Error
		}
	}
}
