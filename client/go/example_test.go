package livehandle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"livehandle"
)

func ExampleEvent_Decode() {
	for _, event := range []livehandle.Event{
		{Topic: livehandle.TopicLiveOutputTranscript, Data: json.RawMessage(`{"text":"Hel"}`)},
		{Topic: livehandle.TopicLiveOutputTranscript, Data: json.RawMessage(`{"text":"lo."}`)},
		{Topic: livehandle.TopicLiveTurnComplete, Data: json.RawMessage(`{"turn":3}`)},
	} {
		switch data := event.Decode().(type) {
		case *livehandle.LiveOutputTranscript:
			fmt.Print(data.Text)
		case *livehandle.LiveTurnComplete:
			fmt.Println("\nTurn", data.Turn, "has ended.")
		}
	}
	// Output:
	// Hello.
	// Turn 3 has ended.
}

func ExampleError() {
	_, err := livehandle.Dial(context.Background(), livehandle.Options{Socket: strings.Repeat("/long", 30)})
	var refused *livehandle.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Name, refused.Retryable)
	}
	fmt.Println(errors.Is(err, livehandle.ErrConfigInvalid))
	// Output:
	// config.invalid false
	// true
}
