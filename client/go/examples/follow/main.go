// Follow carries out a function and tells what happens, also over restarts of the daemon, until it is
// interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"livehandle"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := follow(ctx); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func follow(ctx context.Context) error {
	live, err := livehandle.Dial(ctx, livehandle.Options{Name: "follow", Logf: log.Printf})
	if err != nil {
		return err
	}
	defer live.Close()
	_, err = live.RegisterTools(ctx, livehandle.Tool{
		Name:        "get_rain",
		Description: "Whether it rains.",
		Handler: livehandle.Handle(func(context.Context, struct{}) (any, error) {
			return "It rains.", nil
		}),
	})
	if err != nil {
		return err
	}
	events, err := live.Events(ctx, livehandle.EventsParams{Topics: []string{"live.*"}})
	if err != nil {
		return err
	}
	fmt.Println("following")
	for {
		event, err := events.Next(ctx)
		if err != nil {
			return err
		}
		switch data := event.Decode().(type) {
		case *livehandle.ClientDisconnected:
			fmt.Println("lost:", data.Error.Name)
		case *livehandle.ClientConnected:
			fmt.Println("connected again")
		case *livehandle.ClientReset:
			fmt.Println("anew from:", data.Phase)
		case *livehandle.EventsLagged:
			fmt.Println("late by:", data.Missed)
		case *livehandle.LiveToolExecution:
			fmt.Println("answered:", data.Name)
		case *livehandle.LiveTurnComplete:
			fmt.Println("turn:", data.Model)
		case *livehandle.LiveError:
			fmt.Println("error:", data.Error.Name)
		}
	}
}
